//! The description of the routes, in OpenAPI 3.1: the features are those of the spec, with their types.

#![expect(
    clippy::indexing_slicing,
    reason = "a key of a JSON object is made where it is not there"
)]

use arrow_schema::DataType;
use serde_json::{Map, Value as Json, json};

use super::features::{RequestRows, word};
use super::version::Version;
use crate::arrays::keys::{element, is_text};
use crate::schema::{Schema, Tower, Value};

/// The document.
pub fn document(version: &Version) -> Json {
    let schema = version.schema();
    let name = &*schema.name;
    let model = format!("/v2/models/{name}");
    let no_body =
        |summary: &str| json!({ "get": { "summary": summary, "responses": responses(None) } });
    json!({
        "openapi": "3.1.0",
        "info": { "title": name, "version": version.weights, "description": &*schema.doc },
        "paths": {
            "/v1/rank": { "post": operation(
                "Ranks items of the index for a query.",
                rank_request(version),
                rank_response(schema),
            ) },
            "/v1/embed": { "post": operation(
                "Embeds rows of queries or of items.",
                embed_request(version),
                json!({ "type": "object" }),
            ) },
            (format!("{model}/infer")): { "post": operation(
                "Scores rows: the Open Inference Protocol, version 2, with tensors in JSON or as bytes.",
                infer_request(),
                json!({ "type": "object" }),
            ) },
            (model): no_body("Inputs and outputs of the model."),
            "/v2": no_body("The server."),
            "/v2/health/live": no_body("Whether the process lives."),
            "/v2/health/ready": no_body("Whether requests are answered."),
            "/metrics": no_body("Counters, for Prometheus."),
        },
        "components": { "schemas": { "Error": {
            "type": "object",
            "required": ["error"],
            "properties": { "error": { "type": "string" } },
        } } },
    })
}

fn operation(summary: &str, request: Json, answer: Json) -> Json {
    json!({
        "summary": summary,
        "requestBody": { "required": true, "content": { "application/json": { "schema": request } } },
        "responses": responses(Some(answer)),
    })
}

fn responses(answer: Option<Json>) -> Json {
    let mut all = json!({ "200": { "description": "The answer." } });
    if let Some(answer) = answer {
        all["200"]["content"] = json!({ "application/json": { "schema": answer } });
    }
    let error =
        json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } });
    for (code, told) in [
        ("400", "The body cannot be read."),
        ("401", "The bearer token is missing or wrong."),
        ("404", "What is asked for does not exist."),
        ("408", "The body did not come in time."),
        ("413", "The body is too large."),
        ("422", "A value cannot be used; the message names it."),
        ("500", "A bug of the server."),
        (
            "503",
            "Too many requests are being answered, or the model is being loaded.",
        ),
        ("504", "The request took too long."),
    ] {
        all[code] = json!({ "description": told, "content": error });
    }
    all
}

fn rank_request(version: &Version) -> Json {
    let schema = version.schema();
    let utility: Map<String, Json> = schema
        .tasks
        .iter()
        .map(|task| (task.name.to_string(), json!({ "type": "number" })))
        .collect();
    let tasks: Vec<&str> = schema.tasks.iter().map(|task| &*task.name).collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["query"],
        "properties": {
            word(Tower::Query): named(schema, Tower::Query),
            "query": row(&version.query.rows, schema, Tower::Query),
            "candidates": {
                "type": "object",
                "additionalProperties": false,
                "description": "The items with these ids, of these products; without either, all.",
                "properties": {
                    "ids": { "type": ["array", "null"], "items": { "type": ["integer", "string"] } },
                    "products": { "type": ["array", "null"], "items": domain(schema, Tower::Item) },
                },
            },
            "utility": {
                "type": ["object", "null"],
                "additionalProperties": false,
                "description": "Weights of the tasks' probabilities; their sum decides. The first task alone, if it is left out.",
                "properties": utility,
            },
            "tasks": { "type": ["array", "null"], "items": { "enum": tasks } },
            "top": { "type": ["integer", "null"], "minimum": 0 },
        },
    })
}

fn rank_response(schema: &Schema) -> Json {
    let scores: Map<String, Json> = schema
        .tasks
        .iter()
        .map(|task| (task.name.to_string(), json!({ "type": ["number", "null"] })))
        .collect();
    json!({
        "type": "object",
        "required": ["model", "version", "items", "unknown", "scored"],
        "properties": {
            "model": { "type": "string" },
            "version": { "type": "string" },
            "items": { "type": "array", "items": {
                "type": "object",
                "required": ["id", "product", "utility", "scores"],
                "properties": {
                    "id": { "type": ["integer", "string"] },
                    "product": domain(schema, Tower::Item),
                    "utility": { "type": ["number", "null"] },
                    "scores": { "type": "object", "properties": scores },
                },
            } },
            "unknown": { "type": "array", "items": { "type": ["integer", "string"] } },
            "scored": { "type": "integer" },
        },
    })
}

fn embed_request(version: &Version) -> Json {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["tower", "rows"],
        "properties": {
            "tower": { "enum": ["query", "item"] },
            "rows": { "type": "array", "items": { "anyOf": [
                row(&version.query.rows, version.schema(), Tower::Query),
                row(&version.item.rows, version.schema(), Tower::Item),
            ] } },
        },
    })
}

fn infer_request() -> Json {
    json!({
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": { "type": ["string", "null"] },
            "inputs": { "type": "array", "items": {
                "type": "object",
                "required": ["name", "shape", "datatype"],
                "properties": {
                    "name": { "type": "string" },
                    "shape": { "type": "array", "items": { "type": "integer", "minimum": 0 } },
                    "datatype": { "type": "string" },
                    "data": {},
                    "parameters": { "type": "object" },
                },
            } },
            "outputs": { "type": ["array", "null"], "items": {
                "type": "object",
                "required": ["name"],
                "properties": { "name": { "type": "string" }, "parameters": { "type": "object" } },
            } },
            "parameters": { "type": "object" },
        },
    })
}

/// The columns of a tower, each of which may be missing.
fn row(rows: &RequestRows, schema: &Schema, tower: Tower) -> Json {
    let mut properties: Map<String, Json> = rows
        .columns()
        .fields()
        .iter()
        .map(|field| (field.name().clone(), kind(field.data_type())))
        .collect();
    let (axis, word) = (schema.axis(tower), word(tower));
    if &*axis.column == word || !properties.contains_key(word) {
        properties.insert(word.to_owned(), named(schema, tower));
    }
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

/// The names and raw values of a tower's domains, and none.
fn named(schema: &Schema, tower: Tower) -> Json {
    let domains = schema.axis(tower).domains.iter();
    let all = domains.flat_map(|domain| {
        let values = domain.values.iter().map(|value| match value {
            Value::Int(value) => Json::from(*value),
            Value::Text(value) => Json::from(&**value),
        });
        std::iter::once(Json::from(&*domain.name)).chain(values)
    });
    let mut all: Vec<Json> = all.collect();
    all.push(Json::Null);
    json!({ "enum": all })
}

fn domain(schema: &Schema, tower: Tower) -> Json {
    let domains = schema.axis(tower).domains.iter();
    let names: Vec<&str> = domains.map(|domain| &*domain.name).collect();
    json!({ "enum": names })
}

fn kind(found: &DataType) -> Json {
    if let Some(element) = element(found) {
        return json!({ "type": ["array", "null"], "items": kind(element) });
    }
    match found {
        found if is_text(found) || found.is_temporal() => json!({ "type": ["string", "null"] }),
        DataType::Boolean => json!({ "type": ["boolean", "null"] }),
        found if found.is_integer() => json!({ "type": ["integer", "null"] }),
        _ => json!({ "type": ["number", "null"] }),
    }
}
