// The schedule and the statistics, read anew each 30 seconds.
import { caller, element } from "./api.js";

const at = (id) => document.getElementById(id);
const call = caller(at("scheduler").dataset.csrf);
const SECONDS = 30;

const moment = (text) => (text ? new Date(text).toLocaleString() : "never");

async function refresh() {
  try {
    const [status, statistics] = await Promise.all([
      call("GET", "/api/admin/scheduler/status"),
      call("GET", "/api/admin/scheduler/statistics"),
    ]);
    at("status").textContent = status.running ? "Beat is running." : "Beat is not running.";
    at("entries").replaceChildren(...status.entries.map(row));
    const counts = Object.entries(statistics.current).filter(([, n]) => typeof n === "number");
    at("statistics").replaceChildren(
      ...counts.flatMap(([name, count]) => [
        element("dt", name.replaceAll("_", " ")),
        element("dd", count),
      ]),
    );
  } catch (error) {
    at("status").textContent = error.message;
  }
}

function row(entry) {
  const made = document.createElement("tr");
  made.append(
    element("th", entry.name, { scope: "row" }),
    element("td", entry.enabled ? entry.schedule : "off"),
    element("td", moment(entry.last_run)),
    element("td", moment(entry.next_run)),
  );
  return made;
}

at("tasks").addEventListener("click", async (event) => {
  if (!event.target.value) return;
  try {
    const { message } = await call("POST", "/api/admin/scheduler/trigger", {
      task: event.target.value,
    });
    at("status").textContent = message;
  } catch (error) {
    at("status").textContent = error.message;
  }
});

refresh();
setInterval(refresh, SECONDS * 1000);
