//! Expressions: what they are made of, and which labels their results have.

use std::collections::{BTreeMap, BTreeSet};

use promql_parser::label::MatchOp;
use promql_parser::parser::value::ValueType;
use promql_parser::parser::{self, BinaryExpr, Call, Expr, LabelModifier, VectorSelector};

use crate::catalogue::{Series, TARGET_LABELS};

pub(crate) type Labels = BTreeSet<String>;

/// The series that there are: exported ones, and those that rules record.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) exported: BTreeMap<String, Series>,
    pub(crate) recorded: BTreeMap<String, Labels>,
}

/// # Panics
/// If it is none.
pub(crate) fn parse(text: &str) -> Expr {
    parser::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// An expression and all that it is made of, outermost first.
pub(crate) fn nodes(expr: &Expr) -> Vec<&Expr> {
    let mut all = vec![expr];
    all.extend(children(expr).into_iter().flat_map(nodes));
    all
}

fn children(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Aggregate(it) => vec![&it.expr],
        Expr::Unary(it) => vec![&it.expr],
        Expr::Binary(it) => vec![&it.lhs, &it.rhs],
        Expr::Paren(it) => vec![&it.expr],
        Expr::Subquery(it) => vec![&it.expr],
        Expr::Call(it) => it.args.args.iter().map(|it| &**it).collect(),
        _ => Vec::new(),
    }
}

/// Every selector, with a range or without.
pub(crate) fn selectors(expr: &Expr) -> Vec<&VectorSelector> {
    let selectors = nodes(expr).into_iter().filter_map(|node| match node {
        Expr::VectorSelector(it) => Some(it),
        Expr::MatrixSelector(it) => Some(&it.vs),
        _ => None,
    });
    selectors.collect()
}

/// The name of what a selector selects.
pub(crate) fn name(selector: &VectorSelector) -> &str {
    selector.name.as_deref().expect("every selector here has a name")
}

pub(crate) fn is_vector(expr: &Expr) -> bool {
    expr.value_type() != ValueType::Scalar
}

/// The labels that each series of the result has, as far as the expression says.
pub(crate) fn labels(expr: &Expr, world: &World) -> Labels {
    match expr {
        Expr::Aggregate(it) => match &it.modifier {
            Some(LabelModifier::Include(by)) => by.labels.iter().cloned().collect(),
            Some(LabelModifier::Exclude(without)) => {
                without_labels(labels(&it.expr, world), &without.labels)
            }
            None => Labels::new(),
        },
        Expr::Binary(it) => labels_of_operation(it, world),
        Expr::Call(it) => labels_of_call(it, world),
        Expr::VectorSelector(it) => labels_of_selector(it, world),
        Expr::MatrixSelector(it) => labels_of_selector(&it.vs, world),
        _ => children(expr).first().map_or_else(Labels::new, |it| labels(it, world)),
    }
}

fn labels_of_operation(operation: &BinaryExpr, world: &World) -> Labels {
    let [left, right] = [&operation.lhs, &operation.rhs].map(|side| labels(side, world));
    match &*operation.op.to_string() {
        "and" | "unless" => left,
        "or" => left.intersection(&right).cloned().collect(),
        _ if !is_vector(&operation.lhs) => right,
        _ if !is_vector(&operation.rhs) => left,
        _ => match operation.modifier.as_ref() {
            // Many to one: the side of the many keeps what it has.
            Some(it) if it.card.labels().is_some() => {
                left.into_iter().chain(it.card.labels().unwrap().labels.clone()).collect()
            }
            Some(it) => match &it.matching {
                Some(LabelModifier::Include(on)) => on.labels.iter().cloned().collect(),
                Some(LabelModifier::Exclude(ignored)) => without_labels(left, &ignored.labels),
                None => left,
            },
            None => left,
        },
    }
}

fn labels_of_call(call: &Call, world: &World) -> Labels {
    let vector = call.args.args.iter().find(|it| is_vector(it));
    let Some(vector) = vector else { return Labels::new() };
    match call.func.name {
        "histogram_quantile" => without_labels(labels(vector, world), &["le".to_owned()]),
        // The labels that it asks for are all that it can know.
        "absent" => selectors(vector)
            .iter()
            .flat_map(|it| &it.matchers.matchers)
            .filter(|it| it.op == MatchOp::Equal)
            .map(|it| it.name.clone())
            .collect(),
        _ => labels(vector, world),
    }
}

fn labels_of_selector(selector: &VectorSelector, world: &World) -> Labels {
    let name = name(selector);
    if let Some(labels) = world.recorded.get(name) {
        return labels.clone();
    }
    let own = world.exported.get(name).into_iter().flat_map(|series| series.labels.keys().cloned());
    own.chain(TARGET_LABELS.map(str::to_owned)).collect()
}

fn without_labels(mut labels: Labels, gone: &[String]) -> Labels {
    labels.retain(|label| !gone.contains(label));
    labels
}

/// Whether a result can be empty because all is well: it compares, or asks for what is absent.
pub(crate) fn can_be_quiet(expr: &Expr) -> bool {
    match expr {
        Expr::Paren(it) => can_be_quiet(&it.expr),
        Expr::Call(it) => it.func.name == "absent",
        Expr::Binary(it) => match &*it.op.to_string() {
            "or" => can_be_quiet(&it.lhs) && can_be_quiet(&it.rhs),
            "and" => can_be_quiet(&it.lhs) || can_be_quiet(&it.rhs),
            "unless" => can_be_quiet(&it.lhs),
            _ => it.op.is_comparison_operator() && !it.return_bool(),
        },
        _ => false,
    }
}
