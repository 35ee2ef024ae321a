"use strict";
const sections = [...document.querySelectorAll("section")];
const buttons = [...document.querySelectorAll("button[data-stage]")];
let held = null;

function light(section, number, from) {
  for (const line of section.querySelectorAll(".line.on")) line.classList.remove("on");
  if (number === null) return;
  for (const pane of section.querySelectorAll(".pane:not([hidden])")) {
    const lines = pane.querySelectorAll(`.line[data-l="${number}"]`);
    for (const line of lines) line.classList.add("on");
    const code = pane.querySelector(".code");
    if (lines.length && pane !== from) {
      const top = lines[0].offsetTop, seen = top >= code.scrollTop && top < code.scrollTop + code.clientHeight - 20;
      if (!seen) code.scrollTop = Math.max(0, top - code.clientHeight / 3);
    }
  }
}

function show(number) {
  sections.forEach((section, i) => { section.hidden = i !== number; });
  held = null;
  mark();
}

function mark() {
  const section = sections.find(s => !s.hidden);
  for (const button of buttons) {
    button.classList.toggle("shown", !section.querySelector(`.pane[data-stage=${button.dataset.stage}]`).hidden);
  }
}

for (const section of sections) {
  const lineOf = event => event.target.closest(".line[data-l]");
  section.addEventListener("mouseover", event => {
    const line = lineOf(event);
    if (line && held === null) light(section, line.dataset.l, line.closest(".pane"));
  });
  section.addEventListener("click", event => {
    const line = lineOf(event);
    if (!line) return;
    held = held === line.dataset.l ? null : line.dataset.l;
    history.replaceState(null, "", held === null ? "#" : `#l${held}`);
    light(section, line.dataset.l, line.closest(".pane"));
  });
}
for (const button of buttons) {
  button.addEventListener("click", () => {
    for (const section of sections) {
      const pane = section.querySelector(`.pane[data-stage=${button.dataset.stage}]`);
      pane.hidden = !pane.hidden;
    }
    mark();
  });
}
document.getElementById("launch").addEventListener("change", event => show(Number(event.target.value)));
show(0);
if (location.hash.startsWith("#l")) {
  held = location.hash.slice(2);
  light(sections[0], held, null);
}
