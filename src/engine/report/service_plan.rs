//! The plan of one service, row by row, for readers that show it in another form than text. Pure.

pub use amarre_core::plan::render::rows::{OfService, RowNote, ServicePlanRow};

use crate::engine::PassResult;
use amarre_core::plan::render;
use amarre_core::plan::render::rows::SharedFacts;

/// The forecast for a service, to the end; `None`: nothing.
pub fn of_service(picture: &PassResult, service: &str) -> Option<OfService> {
    let forecast = picture.forecast()?;
    let found = picture.with_input(|input| {
        let lines = render::lines(input, forecast).remove(service)?;
        Some(SharedFacts::of(input, forecast).service(service, &lines))
    });
    found.flatten().filter(|plan| !plan.rows.is_empty())
}
