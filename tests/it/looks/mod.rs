//! The loop stepped look by look, with every vendor simulated.
