//! A ledger that writes down what it is told, and the calls whose rows it keeps.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use bitrouter_gateway::{
    InferenceError, Limits,
    http::Caller,
    meter::Metered,
    ports::{Admission, AdmissionRequest, Permit, Plan, Settlement, SoFar},
    protocol::Dialect,
};
use tokio::time::timeout;

use crate::support::{PATIENCE, STREAM, Wire, World, chunk, json};

/// A call, as the ledger was told of it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Provider, resolved model, model as it was asked for.
    pub(crate) route: [String; 3],
    pub(crate) dialect: Dialect,
    pub(crate) stream: bool,
    pub(crate) metered: Metered,
    pub(crate) progress: Vec<SoFar>,
    pub(crate) settled: Vec<Settlement>,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    calls: Mutex<Vec<Call>>,
    refusal: Mutex<Option<InferenceError>>,
    output_limit: Mutex<Option<u64>>,
}

struct Row(Arc<Ledger>, usize);

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row({})", self.1)
    }
}

impl Permit for Row {
    fn progress(&mut self, so_far: &SoFar) {
        self.0.calls.lock().unwrap()[self.1].progress.push(*so_far);
    }

    fn output_limit(&self) -> Option<u64> {
        *self.0.output_limit.lock().unwrap()
    }

    fn settle(&mut self, settlement: Settlement) {
        self.0.calls.lock().unwrap()[self.1].settled.push(settlement);
    }
}

/// A ledger behind its port.
#[derive(Debug)]
struct Shared(Arc<Ledger>);

impl Admission for Shared {
    fn plan(&self, _: Caller) -> Plan {
        Plan::Plain
    }

    fn admit(&self, request: &AdmissionRequest<'_>) -> Result<Box<dyn Permit>, InferenceError> {
        if let Some(refusal) = self.0.refusal.lock().unwrap().clone() {
            return Err(refusal);
        }
        let mut calls = self.0.calls.lock().unwrap();
        calls.push(Call {
            route: [request.provider.as_str(), request.model, request.requested_model].map(str::to_owned),
            dialect: request.dialect,
            stream: request.stream,
            metered: request.metered.clone(),
            progress: vec![],
            settled: vec![],
        });
        Ok(Box::new(Row(Arc::clone(&self.0), calls.len() - 1)))
    }
}

impl Ledger {
    pub(crate) async fn world(limits: Limits) -> (World, Arc<Self>) {
        let ledger = Arc::new(Self::default());
        (World::under(limits, Arc::new(Shared(Arc::clone(&ledger)))).await, ledger)
    }

    /// Refuses what comes from now on.
    pub(crate) fn refuse(&self, refusal: InferenceError) {
        *self.refusal.lock().unwrap() = Some(refusal);
    }

    /// Streams that begin from now on are cut behind so many tokens.
    pub(crate) fn limit_output(&self, most: u64) {
        *self.output_limit.lock().unwrap() = Some(most);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// The last call, which is settled now.
    pub(crate) fn last(&self) -> (Call, Settlement) {
        let call = self.calls().pop().expect("a call");
        assert_eq!(call.settled.len(), 1, "settled once, by now: {call:?}");
        (call.clone(), call.settled[0].clone())
    }

    /// The last call, once it is settled.
    pub(crate) async fn last_settled(&self) -> (Call, Settlement) {
        let wait = async {
            while self.calls().pop().is_none_or(|call| call.settled.is_empty()) {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, wait).await.expect("a settlement");
        self.last()
    }
}

/// How a dialect's stream goes, and its twin that is none. All count 20 tokens in and 9 out.
pub(crate) struct Script {
    pub(crate) dialect: Dialect,
    pub(crate) path: &'static str,
    pub(crate) plain_path: &'static str,
    pub(crate) body: &'static str,
    pub(crate) plain_body: &'static str,
    /// What stands before the content.
    pub(crate) begin: &'static str,
    /// Content of 12 bytes, visible.
    pub(crate) content: &'static str,
    /// No more content is due.
    pub(crate) over: &'static str,
    pub(crate) usage: &'static str,
    pub(crate) end: &'static str,
    pub(crate) document: &'static str,
}

pub(crate) const SCRIPTS: [Script; 4] = [
    Script {
        dialect: Dialect::ChatCompletions,
        path: "/v1/chat/completions",
        plain_path: "/v1/chat/completions",
        body: r#"{"model":"every/m","stream":true,"messages":[]}"#,
        plain_body: r#"{"model":"every/m","messages":[]}"#,
        begin: "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
        content: "data: {\"choices\":[{\"delta\":{\"content\":\"twelve bytes\"},\"finish_reason\":null}]}\n\n",
        over: "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        usage: "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":9,\"total_tokens\":29}}\n\n",
        end: "data: [DONE]\n\n",
        document: r#"{"choices":[{"message":{"content":"twelve bytes"}}],"usage":{"prompt_tokens":20,"completion_tokens":9}}"#,
    },
    Script {
        dialect: Dialect::Messages,
        path: "/v1/messages",
        plain_path: "/v1/messages",
        body: r#"{"model":"every/m","stream":true,"messages":[],"max_tokens":100}"#,
        plain_body: r#"{"model":"every/m","messages":[],"max_tokens":100}"#,
        begin: "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":20,\"output_tokens\":1}}}\n\n",
        content: "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"twelve bytes\"}}\n\n",
        over: "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        usage: "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":9}}\n\n",
        end: "data: {\"type\":\"message_stop\"}\n\n",
        document: r#"{"content":[{"type":"text","text":"twelve bytes"}],"usage":{"input_tokens":20,"output_tokens":9}}"#,
    },
    Script {
        dialect: Dialect::Responses,
        path: "/v1/responses",
        plain_path: "/v1/responses",
        body: r#"{"model":"every/m","stream":true,"input":"x"}"#,
        plain_body: r#"{"model":"every/m","input":"x"}"#,
        begin: "data: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\"}}\n\n\
                data: {\"type\":\"response.output_item.added\",\"item\":{\"id\":\"ci_1\",\"container_id\":\"cntr_1\"}}\n\n",
        content: "data: {\"type\":\"response.output_text.delta\",\"delta\":\"twelve bytes\"}\n\n",
        over: "data: {\"type\":\"response.output_item.done\",\"item\":{\"id\":\"ci_1\",\"container_id\":\"cntr_1\"}}\n\n",
        usage: "",
        end: "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"usage\":{\"input_tokens\":20,\"output_tokens\":9}}}\n\n",
        document: r#"{"id":"resp_1","output":[{"id":"ci_1","container_id":"cntr_1","content":[{"type":"output_text","text":"twelve bytes"}]}],"usage":{"input_tokens":20,"output_tokens":9}}"#,
    },
    Script {
        dialect: Dialect::GenerateContent,
        path: "/v1beta/models/every/m:streamGenerateContent?alt=sse",
        plain_path: "/v1beta/models/every/m:generateContent",
        body: r#"{"contents":[]}"#,
        plain_body: r#"{"contents":[]}"#,
        begin: ": hello\n\n",
        content: "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"twelve bytes\"}]}}]}\n\n",
        over: "data: {\"candidates\":[{\"finishReason\":\"STOP\"}]}\n\n",
        usage: "data: {\"usageMetadata\":{\"promptTokenCount\":20,\"candidatesTokenCount\":9,\"totalTokenCount\":29}}\n\n",
        end: "",
        document: r#"{"candidates":[{"content":{"parts":[{"text":"twelve bytes"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":20,"candidatesTokenCount":9,"totalTokenCount":29}}"#,
    },
];

/// A call of a stream that has begun: the provider has sent `events`, and the caller has all that it may see of them.
pub(crate) async fn begun(world: &World, script: &Script, events: &[&str]) -> (Wire, Wire) {
    let mut caller = world.caller().await;
    caller.post(script.path, script.body).await;
    let mut provider = world.accept().await;
    provider.message().await;
    provider.send(STREAM).await;
    for event in events {
        provider.send(chunk(event)).await;
        caller.until(&format!("{event}\r\n")).await;
    }
    (caller, provider)
}

/// A call that is no stream, answered with `answer`; what its caller got.
pub(crate) async fn answered(world: &World, script: &Script, answer: &str) -> (u16, serde_json::Value) {
    let mut caller = world.caller().await;
    caller.post(script.plain_path, script.plain_body).await;
    let mut provider = world.accept().await;
    provider.message().await;
    provider.send(answer).await;
    caller.reply().await
}

pub(crate) fn ok(document: &str) -> String {
    json("200 OK", document)
}
