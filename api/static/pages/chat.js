// The chat: the own conversations, their messages, and replies as they are written.
import { caller, element } from "./api.js";

const at = (id) => document.getElementById(id);
const call = caller(at("chat").dataset.csrf);
let current = null;
let job = null;
let stream = null;

async function attempt(work) {
  try {
    at("status").textContent = "";
    await work();
  } catch (error) {
    at("status").textContent = error.message;
  }
}

async function list() {
  const { data } = await call("GET", "/api/v1/conversations/");
  at("conversations").replaceChildren(
    ...data.map((conversation) => {
      const row = document.createElement("li");
      const button = element("button", conversation.title || "Untitled", { type: "button" });
      if (conversation.id === current) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => attempt(() => open(conversation.id)));
      row.append(button);
      return row;
    }),
  );
}

async function open(id) {
  leave();
  current = id;
  at("tools").hidden = id === null;
  const messages = [];
  let path = id && `/api/v1/conversations/${id}/messages/`;
  while (path) {
    const page = await call("GET", path);
    messages.push(...page.data);
    path = page.next && new URL(page.next).pathname + new URL(page.next).search;
  }
  at("messages").replaceChildren();
  for (const message of messages) show(message.role, message.content);
  await list();
  at("message").focus();
}

function show(role, text) {
  const row = element("li", text, { class: role });
  at("messages").append(row);
  row.scrollIntoView({ block: "end" });
  return row;
}

async function say(text) {
  const body = current ? { message: text, conversation_id: current } : { message: text };
  job = await call("POST", "/api/v1/turns/", body);
  show("user", text);
  at("message").value = "";
  current = job.conversation_id;
  at("tools").hidden = false;
  await list();
  hear(job, show("assistant", ""));
}

// The browser comes back by itself after a cut, with the place up to which it has read.
function hear({ id }, row) {
  stream = new EventSource(`/api/v1/jobs/${id}/events/`);
  at("cancel").hidden = false;
  stream.addEventListener("text.delta", (event) => {
    row.textContent += JSON.parse(event.data).delta;
    row.scrollIntoView({ block: "end" });
  });
  stream.addEventListener("text.restarted", () => {
    row.textContent = "";
  });
  for (const end of ["completed", "failed", "cancelled", "incomplete"]) {
    stream.addEventListener(`job.${end}`, () => {
      leave();
      if (end !== "completed") attempt(() => tell(id));
    });
  }
}

async function tell(id) {
  const { state, error } = await call("GET", `/api/v1/jobs/${id}/`);
  at("status").textContent = error ? error.detail : `The turn was ${state}.`;
}

function leave() {
  stream?.close();
  stream = null;
  job = null;
  at("cancel").hidden = true;
}

at("say").addEventListener("submit", (event) => {
  event.preventDefault();
  if (at("message").value.trim()) attempt(() => say(at("message").value));
});
at("message").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  at("say").requestSubmit();
});
at("cancel").addEventListener("click", () =>
  attempt(async () => job && (await call("POST", `/api/v1/jobs/${job.id}/cancel/`))),
);
at("new").addEventListener("click", () => attempt(() => open(null)));
at("rename").addEventListener("click", () =>
  attempt(async () => {
    const title = prompt("Title");
    if (title === null) return;
    await call("PATCH", `/api/v1/conversations/${current}/`, { title });
    await list();
  }),
);
at("delete").addEventListener("click", () =>
  attempt(async () => {
    if (!confirm("Delete this conversation?")) return;
    await call("DELETE", `/api/v1/conversations/${current}/`);
    await open(null);
  }),
);
attempt(() => open(null));
