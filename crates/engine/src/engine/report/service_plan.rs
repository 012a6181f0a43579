//! The plan of one service, row by row, for readers that show it in another form than text. Pure.

pub use amarre_core::plan::render::rows::{RowNote, ServicePlan, ServicePlanRow};

use crate::engine::report::pass_view::PassView;
use amarre_core::plan::forecast::Forecast;
use amarre_core::plan::input::Input;
use amarre_core::plan::render;
use amarre_core::plan::render::rows::SharedFacts;

/// The forecast for a service, to the end; `None`: nothing.
pub fn of_service(pass: &PassView, service: &str) -> Option<ServicePlan> {
    let forecast = pass.forecast()?;
    pass.with_input(|input| in_forecast(input, forecast, service)).flatten()
}

/// The same of any forecast.
pub fn in_forecast(input: &Input<'_>, forecast: &Forecast, service: &str) -> Option<ServicePlan> {
    let lines = render::lines(input, forecast).remove(service)?;
    let plan = SharedFacts::of(input, forecast).service(service, &lines);
    (!plan.rows.is_empty()).then_some(plan)
}
