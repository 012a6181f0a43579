//! Many services at once. What a plan of them costs grows as they do: `scripts/bench planning` measures it.

use std::collections::{BTreeMap, BTreeSet};

use amarre_core::model::{Code, Facts, Gate, Site};
use amarre_core::plan::forecast::{Forecast, forecast};
use amarre_core::plan::render::{Style, text};

use amarre_testkit::scene::{START, Scene, empty_server, site};

/// As many as one source may hold.
const FILES_MAX: usize = 10_000;

/// A container with a variable, a volume and a route each.
fn crowd(count: usize, site: &Site) -> Scene {
    let file = |number: usize| {
        let text = format!("name: s{number:05}\nimage: web:1\nport: 80\nvolumes: ['data:/data']\n");
        (format!("services/s{number:05}.yaml"), text)
    };
    let files: Vec<(String, String)> = (0..count).map(file).collect();
    Scene::of(&files, site, &BTreeMap::new())
}

/// Subnets for all of them.
fn wide() -> Site {
    Site { pools: vec!["10.0.0.0/8".parse().unwrap()], prefix: 28, ..site() }
}

fn planned<T>(scene: &Scene, use_it: impl FnOnce(&amarre_core::plan::input::Input<'_>, &Forecast) -> T) -> T {
    scene.with_input(&empty_server(), &Facts::default(), START, |input| {
        let forecast = forecast(input);
        assert!(forecast.settled, "{:#?}", forecast.plan.changes.last());
        use_it(input, &forecast)
    })
}

#[test]
fn more_new_services_take_no_more_looks() {
    let looks = [50, 500, 2_000].map(|count| planned(&crowd(count, &wide()), |_, forecast| forecast.looks));
    assert_eq!(looks[0], looks[1]);
    assert_eq!(looks[1], looks[2]);
}

#[test]
fn as_many_services_as_a_source_may_hold_are_planned_and_shown() {
    let scene = crowd(FILES_MAX, &wide());
    planned(&scene, |input, forecast| {
        let held = forecast.plan.changes.iter().filter(|change| matches!(change.gate, Gate::Held(_)));
        assert_eq!(held.count(), 0);
        let shown = text::plan(input, forecast, "services @ 5e1c0aa", Style::PLAIN);
        let lines: BTreeSet<&str> = shown.lines().filter(|line| line.starts_with("+ ")).collect();
        assert_eq!(lines.len(), FILES_MAX);
    });
}

#[test]
fn where_subnets_run_out_as_many_are_planned_and_shown() {
    // Two pools of 256 subnets; the first three are taken.
    let scene = crowd(FILES_MAX, &site());
    planned(&scene, |input, forecast| {
        let refused: BTreeSet<&str> = forecast
            .plan
            .changes
            .iter()
            .filter(|change| change.refusal().is_some_and(|refusal| refusal.code == Code::A0501))
            .map(|change| change.service.as_str())
            .collect();
        assert_eq!(refused.len(), FILES_MAX - 512, "{:?}", refused.first());
        let shown = text::plan(input, forecast, "services @ 5e1c0aa", Style::PLAIN);
        assert_eq!(shown.matches("refused in part, A0501").count(), refused.len());
    });
}
