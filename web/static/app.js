// Everything here is a convenience: each page works without it.

// Live parts: the same page is fetched again, and elements marked
// data-refresh are exchanged by their id. Not while the page is hidden or the
// reader is inside such a part.
const every = 5000;
let tag = null;

async function refresh() {
  const parts = document.querySelectorAll("[data-refresh]");
  if (parts.length === 0 || document.hidden) return;
  const headers = tag ? { "If-None-Match": tag } : {};
  const response = await fetch(location.href, { headers, redirect: "manual" });
  if (response.type === "opaqueredirect") {
    location.reload(); // the session has ended
    return;
  }
  if (response.status !== 200) return;
  tag = response.headers.get("ETag");
  const next = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of parts) {
    if (part.contains(document.activeElement)) continue;
    const fresh = next.getElementById(part.id);
    if (!fresh) continue;
    const open = [...part.querySelectorAll("details")].map((d) => d.open);
    fresh.querySelectorAll("details").forEach((d, i) => { d.open = open[i] ?? d.open; });
    part.replaceWith(fresh);
  }
}
setInterval(() => refresh().catch(() => {}), every);

// Where the server tells of news, the page need not wait for its turn.
const streamed = document.querySelector("[data-stream]");
if (streamed) {
  const stream = new EventSource(streamed.dataset.stream);
  stream.addEventListener("message", () => refresh().catch(() => {}));
}

// While changes are on trial: that this page gets through to the gateway, by a
// new connection, is what keeps them.
const trial = document.querySelector("[data-trial]");
async function beat() {
  const says = trial.querySelector("[data-trial-says]");
  const left = Math.ceil((Number(trial.dataset.deadline) - Date.now()) / 1000);
  try {
    const response = await fetch("/changes/heartbeat", { method: "POST", signal: AbortSignal.timeout(2500), redirect: "manual" });
    const state = response.ok ? (await response.json()).state : "none";
    if (state === "confirmed" || state === "none") {
      location.replace("/changes");
      return;
    }
  } catch {
    says.textContent = left > 0
      ? `The gateway does not answer here. Everything goes back in ${left} s.`
      : "The gateway does not answer yet.";
  }
  setTimeout(beat, 1000);
}
if (trial) setTimeout(beat, 500);

// Errors of a form take the focus.
document.getElementById("errors")?.focus();

// Links to a page that asks "are you sure" ask here instead.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-confirm]");
  if (!link) return;
  event.preventDefault();
  const dialog = document.createElement("dialog");
  const title = document.createElement("h2");
  title.id = "confirm-title";
  title.textContent = link.dataset.confirm;
  dialog.setAttribute("aria-labelledby", title.id);
  const form = document.createElement("form");
  form.method = "post";
  form.action = link.href;
  form.className = "actions";
  const yes = document.createElement("button");
  yes.className = "button danger";
  yes.textContent = link.textContent;
  const no = document.createElement("button");
  no.type = "button";
  no.className = "button";
  no.textContent = "Cancel";
  no.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => { dialog.remove(); link.focus(); });
  form.append(yes, no);
  dialog.append(title, form);
  document.body.append(dialog);
  dialog.showModal();
});

// A shared key made in the browser: 160 bits.
for (const button of document.querySelectorAll("[data-generate]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const letters = "abcdefghijkmnpqrstuvwxyz23456789"; // 32, none alike
    const bytes = crypto.getRandomValues(new Uint8Array(32));
    const key = Array.from(bytes, (b) => letters[b % 32]).join("");
    document.getElementById(button.dataset.generate).value = key;
    button.parentElement.querySelector("output").textContent = key;
  });
}

// What is to be carried elsewhere is copied whole.
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  const says = button.firstChild;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    says.textContent = "Copied";
  });
}
