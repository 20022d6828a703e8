// The mood editor in the browser. Gradio runs this text as the body of a function whose arguments
// are element, trigger, props and watch; mood_editor.py says what props.value holds.

const SVG = "http://www.w3.org/2000/svg";
const PLANE = { left: 24, top: 4, side: 312, reach: 1.1 }; // units of the pad; reach in moods
const CHART = { left: 30, right: 8, top: 10, bottom: 22, height: 168 }; // pixels
const GRAB = 22; // pixels around a point within which it is taken rather than called over
const STILL = 3; // pixels that a press may stray without becoming a drag
const CROWD = 40; // scenes above which handles are thinner and points without numbers
// Where the name of an emotion stands: standard deviations from its mean, and the text's anchor.
const NAMES = {
  anger: [1.05, 0.62, "start"],
  disgust: [0, -0.4, "middle"],
  fear: [-0.15, 0.75, "middle"],
  joy: [0, -0.75, "middle"],
  sadness: [0, -0.1, "middle"],
  surprise: [0, 0.4, "middle"],
};
const AXES = ["valence", "arousal"];

const part = (name) => element.querySelector(`[data-part="${name}"]`);
const pad = part("pad");
const chart = part("chart");
const fields = AXES.map(part);
const NEUTRAL = 0.15; // either side of 0, where an axis says nothing
const radios = [...element.querySelectorAll(".modes input")];

let state = copy(props.value);
let selected = 0; // index of a scene
let drag = null; // {surface, pointer, move, x, y, far, before} while a pointer is down on something
let pending = false; // something was changed that Python has not been told

function copy(value) {
  return JSON.parse(JSON.stringify(value));
}

// Values ---------------------------------------------------------------------------------------

function same(one, other) {
  return one[0] === other[0] && one[1] === other[1];
}

function byHand(scene) {
  return !same(scene.mood, scene.read);
}

/** The mood that is shown and, but for the film's, edited; null where there is none yet. */
function current() {
  if (state.mode === "own") return state.own;
  if (state.mode === "film") return state.film;
  return state.scenes.length ? state.scenes[selected].mood : null;
}

function editable() {
  return state.mode !== "film" && current() !== null;
}

/** Counts as one edit until it is told. */
function edited() {
  if (!pending) state.edits += 1;
  pending = true;
}

function put(mood) {
  if (state.mode === "own") state.own = mood;
  else state.scenes[selected].mood = mood;
  edited();
  draw();
}

function within(number) {
  return Math.min(1, Math.max(-1, number));
}

/** To a hundredth, as the fields show it, and without the minus of -0. */
function rounded(number) {
  return within(Math.round(number * 100) / 100) + 0;
}

function commit() {
  if (!pending) return;
  pending = false;
  props.value = copy(state);
  trigger("input");
}

function select(index) {
  selected = Math.min(Math.max(0, index), state.scenes.length - 1);
  draw();
}

/** A value from Python. What was done here after Python had looked is kept. */
function receive() {
  if (!props.value) return;
  const news = copy(props.value);
  const tiling = (value) => JSON.stringify([value.seconds, value.scenes.map((s) => s.start)]);
  const sameFilm = tiling(news) === tiling(state);
  const late = news.edits < state.edits;
  if (late) {
    news.edits = state.edits;
    news.mode = state.mode;
    if (state.mode === "own" || !same(state.own, state.film ?? [0, 0])) news.own = state.own;
    else if (news.film) news.own = news.film;
    if (sameFilm) {
      news.scenes.forEach((scene, i) => {
        scene.mood = byHand(state.scenes[i]) ? state.scenes[i].mood : scene.read;
      });
    }
  }
  state = news;
  if (!sameFilm) selected = 0;
  if (drag && (!sameFilm || !editable())) drag = null;
  if (late && !pending) props.value = copy(state);
  draw();
}

// Words ----------------------------------------------------------------------------------------

function signed(number) {
  const text = Math.abs(number).toFixed(2);
  return text === "0.00" ? text : (number < 0 ? "−" : "+") + text;
}

function word(number, above, below) {
  if (Math.abs(number) <= NEUTRAL) return "neutral";
  return number > 0 ? above : below;
}

function nearest([valence, arousal]) {
  const distance = ({ mean, sd }) =>
    ((valence - mean[0]) / sd[0]) ** 2 + ((arousal - mean[1]) / sd[1]) ** 2;
  return state.emotions.reduce((a, b) => (distance(b) < distance(a) ? b : a)).name;
}

function sentence(mood) {
  return (
    `Valence ${signed(mood[0])} (${word(mood[0], "pleasant", "unpleasant")}), ` +
    `arousal ${signed(mood[1])} (${word(mood[1], "excited", "calm")})`
  );
}

function brief(mood) {
  return `valence ${signed(mood[0])}, arousal ${signed(mood[1])}, nearest to ${nearest(mood)}`;
}

function clock(seconds) {
  const whole = Math.floor(seconds + 1e-6);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function span(index) {
  return `${clock(state.scenes[index].start)}–${clock(ending(index))}`;
}

function ending(index) {
  return index + 1 < state.scenes.length ? state.scenes[index + 1].start : state.seconds;
}

function hint() {
  if (state.mode === "own") return "One mood throughout: move the point, or choose an emotion.";
  if (state.mode === "film") return "One mood throughout, as it is read from the film.";
  if (!state.scenes.length) {
    return (
      "The scenes are known once the film has been looked at; until then the music follows them " +
      "as they are read."
    );
  }
  return (
    "The music changes with the scenes. Drag a step of the curve up or down, or a scene’s point " +
    "on the plane. Hollow: as read; filled: as you set it."
  );
}

function told() {
  const mood = current();
  if (mood === null) {
    return state.mode === "film" ? "The film’s mood is known once it has been looked at." : "";
  }
  if (state.mode === "film") return `The film’s own mood. ${sentence(mood)}.`; // named on the stage
  const named = `${sentence(mood)}: nearest to ${nearest(mood)}.`;
  return state.mode === "own" ? named : `Scene ${selected + 1}. ${named}`;
}

// Drawing: elements are made once, or when their number changes; then only their attributes move,
// so that focus and drags survive. ------------------------------------------------------------

function make(parent, name, attributes = {}, text = null) {
  const node = document.createElementNS(SVG, name);
  set(node, attributes);
  if (text !== null) node.textContent = text;
  parent.append(node);
  return node;
}

function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
  }
}

function show(node, visible) {
  node.toggleAttribute("hidden", !visible);
}

function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const scale = PLANE.side / 2 / PLANE.reach;
const across = (valence) => PLANE.left + PLANE.side / 2 + valence * scale;
const up = (arousal) => PLANE.top + PLANE.side / 2 - arousal * scale;

function buildPad() {
  const { left, top, side, reach } = PLANE;
  make(pad, "rect", { class: "plane", x: left, y: top, width: side, height: side, rx: 6 });
  // An inner picture, since that cuts off what leaves it.
  const box = `${left} ${top} ${side} ${side}`;
  const inner = make(pad, "svg", { x: left, y: top, width: side, height: side, viewBox: box });
  const ellipses = make(inner, "g", { class: "emotions" });
  make(inner, "path", {
    class: "zero",
    d: `M${across(-reach)} ${up(0)}H${across(reach)}M${across(0)} ${up(reach)}V${up(-reach)}`,
  });
  const low = top + side + 15;
  make(pad, "text", { class: "axis", x: left, y: low }, "unpleasant");
  make(pad, "text", { class: "axis end", x: left + side, y: low }, "pleasant");
  make(pad, "text", { class: "axis middle", x: across(0), y: low }, "–");
  const turned = make(pad, "g", { transform: `translate(${left - 8} ${top + side}) rotate(-90)` });
  make(turned, "text", { class: "axis" }, "calm");
  make(turned, "text", { class: "axis end", x: side }, "excited");
  make(turned, "text", { class: "axis middle", x: side / 2 }, "–");
  const names = make(pad, "g", { class: "names" });
  const path = make(pad, "polyline", { class: "path" });
  const dots = make(pad, "g", { class: "dots" });
  const film = make(pad, "g", { class: "film" });
  make(film, "circle", { r: 8 });
  make(film, "text", {}, "film");
  const point = make(pad, "g", {
    class: "point",
    role: "slider",
    tabindex: 0,
    "aria-roledescription": "two-dimensional slider",
    "aria-valuemin": -1,
    "aria-valuemax": 1,
  });
  make(point, "circle", { class: "reach", r: 22 });
  make(point, "circle", { class: "ring", r: 16 });
  make(point, "circle", { class: "body", r: 11 });
  make(point, "text", {});
  return { ellipses, names, path, dots, film, point };
}

const padParts = buildPad();

/** As many children as there are items, each brought up to date. */
function each(parent, items, born, update) {
  while (parent.childElementCount > items.length) parent.lastElementChild.remove();
  while (parent.childElementCount < items.length) born(parent);
  items.forEach((item, i) => update(parent.children[i], item, i));
}

function drawPad() {
  const { ellipses, names, path, dots, film, point } = padParts;
  each(
    ellipses,
    state.emotions,
    (parent) => make(parent, "ellipse"),
    (node, { mean, sd, colour }) =>
      set(node, {
        cx: across(mean[0]),
        cy: up(mean[1]),
        rx: sd[0] * scale,
        ry: sd[1] * scale,
        fill: colour,
        stroke: colour,
      }),
  );
  each(
    names,
    state.emotions,
    (parent) => make(parent, "text"),
    (node, { name, mean, sd }) => {
      const [right, above, anchor] = NAMES[name];
      const y = up(mean[1] + above * sd[1]) + 4;
      set(node, {
        x: across(mean[0] + right * sd[0]),
        y: Math.min(PLANE.top + PLANE.side - 6, Math.max(PLANE.top + 14, y)),
        "text-anchor": anchor,
      });
      say(node, name);
    },
  );
  show(film, state.film !== null);
  if (state.film) {
    const beside = (current() ?? state.film)[0] - state.film[0];
    const outer = state.film[0] > 0.75 || (state.film[0] > -0.75 && beside > 0 && beside < 0.4);
    set(film, { transform: `translate(${across(state.film[0])} ${up(state.film[1])})` });
    set(film.lastElementChild, { x: outer ? -12 : 12, y: 4, "text-anchor": outer ? "end" : "start" });
  }
  const scenes = state.mode === "scenes" ? state.scenes : [];
  const crowded = scenes.length > CROWD;
  const places = scenes.map(({ mood }) => [across(mood[0]), up(mood[1])]);
  set(path, { points: places.map((place) => place.join()).join(" ") });
  each(
    dots,
    scenes,
    (parent) => {
      const dot = make(parent, "g");
      make(dot, "circle");
      make(dot, "text");
    },
    (dot, scene, i) => {
      set(dot, {
        transform: `translate(${places[i].join(" ")})`,
        class: byHand(scene) ? "by-hand" : "",
      });
      set(dot.firstElementChild, { r: crowded ? 3 : 9 });
      say(dot.lastElementChild, crowded ? "" : String(i + 1));
    },
  );
  const mood = current();
  show(point, editable());
  pad.classList.toggle("editable", editable());
  pad.classList.toggle("crowded", crowded);
  if (!editable()) return;
  const scene = state.mode === "scenes" ? state.scenes[selected] : null;
  const read = scene ? !byHand(scene) : false;
  set(point, {
    transform: `translate(${across(mood[0])} ${up(mood[1])})`,
    class: read ? "point read" : "point",
    "aria-label": scene ? `Mood of scene ${selected + 1}, ${span(selected)}` : "Mood of the music",
    "aria-valuenow": mood[0],
    "aria-valuetext": brief(mood),
  });
  say(point.lastElementChild, scene ? String(selected + 1) : "");
}

function buildChart() {
  const back = make(chart, "rect", { class: "plane", rx: 6 });
  const shade = make(chart, "rect", { class: "shade" });
  const grid = make(chart, "path", { class: "zero" });
  const levels = make(chart, "g", { class: "levels" });
  const ticks = make(chart, "g", { class: "ticks" });
  const zones = make(chart, "g", { class: "zones" });
  const lines = AXES.map((axis) => make(chart, "path", { class: `line ${axis}` }));
  const handles = AXES.map((axis) => make(chart, "g", { class: `handles ${axis}` }));
  return { back, shade, grid, levels, ticks, zones, lines, handles };
}

const chartParts = buildChart();

/** Where things are on the chart, in pixels. */
function measures() {
  const width = chart.clientWidth || 600; // not laid out yet
  const inner = width - CHART.left - CHART.right;
  const high = CHART.height - CHART.top - CHART.bottom;
  return {
    width,
    inner,
    high,
    x: (seconds) => CHART.left + (seconds / state.seconds) * inner,
    y: (number) => CHART.top + ((1 - number) / 2) * high,
  };
}

/** Side by side where there is room, so that equal values do not hide each other. */
function handlePlace(index, axis, at) {
  const from = at.x(state.scenes[index].start);
  const wide = at.x(ending(index)) - from;
  return [from + wide * (axis ? 0.66 : 0.34), at.y(state.scenes[index].mood[axis])];
}

function drawChart() {
  if (state.mode !== "scenes" || !state.scenes.length) return;
  const at = measures();
  const { back, shade, grid, levels, ticks, zones, lines, handles } = chartParts;
  const { left, top, height } = CHART;
  chart.classList.toggle("crowded", state.scenes.length > CROWD);
  set(chart, { viewBox: `0 0 ${at.width} ${height}` });
  set(back, { x: left, y: top, width: at.inner, height: at.high });
  const from = at.x(state.scenes[selected].start);
  const wide = Math.max(2, at.x(ending(selected)) - from);
  set(shade, { x: from, y: top, width: wide, height: at.high });
  set(grid, { d: `M${left} ${at.y(0)}H${left + at.inner}` });
  each(
    levels,
    [1, 0, -1],
    (parent) => make(parent, "text", { x: left - 6, "text-anchor": "end" }),
    (node, level) => {
      set(node, { y: at.y(level) + 4 });
      say(node, level ? signed(level).slice(0, 2) : "0");
    },
  );
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 3600];
  const step = steps.find((s) => state.seconds / s <= at.inner / 48) ?? state.seconds;
  const times = [];
  for (let time = 0; time <= state.seconds; time += step) times.push(time);
  each(
    ticks,
    times,
    (parent) => make(parent, "text"),
    (node, time) => {
      const last = at.x(time) > left + at.inner - 12;
      set(node, { x: at.x(time), y: height - 6, "text-anchor": last ? "end" : "middle" });
      say(node, clock(time));
    },
  );
  const sizes = state.scenes.map((_, i) => {
    const room = at.x(ending(i)) - at.x(state.scenes[i].start);
    return Math.min(5.5, Math.max(1.5, room / 5));
  });
  // Only here a touch does not scroll the page.
  each(
    zones,
    state.scenes.flatMap((_, i) => [[i, 0], [i, 1]]),
    (parent) => make(parent, "rect", { height: 30 }),
    (node, [i, axis]) => {
      const x = at.x(state.scenes[i].start);
      const y = at.y(state.scenes[i].mood[axis]) - 15;
      set(node, { x, y, width: at.x(ending(i)) - x });
    },
  );
  lines.forEach((line, axis) => {
    const d = state.scenes.map(({ start, mood }, i) => {
      const y = at.y(mood[axis]);
      return `${i ? "V" : `M${at.x(start)} `}${y}H${at.x(ending(i))}`;
    });
    set(line, { d: d.join("") });
  });
  handles.forEach((group, axis) => {
    each(
      group,
      state.scenes,
      (parent) => {
        const handle = make(parent, "g", {
          role: "slider",
          "aria-orientation": "vertical",
          "aria-valuemin": -1,
          "aria-valuemax": 1,
        });
        make(handle, "circle", { class: "ring" });
        make(handle, axis ? "path" : "circle", { class: "sign" });
        handle.dataset.axis = axis;
      },
      (handle, scene, i) => {
        const size = i === selected ? 7.5 : sizes[i];
        const value = scene.mood[axis];
        set(handle, {
          transform: `translate(${handlePlace(i, axis, at).join(" ")})`,
          class: byHand(scene) ? "by-hand" : "",
          tabindex: i === selected ? 0 : -1,
          "aria-label": `${axis ? "Arousal" : "Valence"} of scene ${i + 1}, ${span(i)}`,
          "aria-valuenow": value,
          "aria-valuetext": signed(value),
        });
        handle.dataset.scene = i;
        set(handle.firstElementChild, { r: size + 4 });
        const tip = size * 1.2;
        if (axis) set(handle.lastElementChild, { d: `M0 ${-tip}L${tip} 0L0 ${tip}L${-tip} 0Z` });
        else set(handle.lastElementChild, { r: size });
      },
    );
  });
}

function drawTools() {
  const mood = current();
  for (const radio of radios) radio.checked = radio.value === state.mode;
  say(part("hint"), hint());
  say(part("told"), told());
  show(part("numbers"), editable());
  show(part("words"), editable() || state.mode === "film");
  if (editable()) {
    fields.forEach((field, axis) => {
      // Not under the hands of somebody who types.
      if (field !== document.activeElement) field.value = mood[axis].toFixed(2);
    });
  }
  each(
    part("words"),
    state.emotions,
    (parent) => {
      const button = document.createElement("button");
      button.type = "button";
      parent.append(button);
    },
    (button, { name, mean, colour }) => {
      const there = mood !== null && mean.every((m, i) => Math.abs(m - mood[i]) < 0.005);
      button.dataset.emotion = name;
      button.style.setProperty("--dot", colour);
      button.setAttribute("aria-pressed", String(there));
      say(button, name);
    },
  );
  const scenes = state.mode === "scenes" && state.scenes.length > 0;
  const changed = scenes ? state.scenes.filter(byHand).length : 0;
  const own = state.mode === "own" && state.film !== null && !same(state.own, state.film);
  show(part("back"), own);
  show(part("scene-back"), scenes && byHand(state.scenes[selected]));
  show(part("all-back"), changed > 0);
  show(part("course"), scenes);
  if (!scenes) return;
  const hand = byHand(state.scenes[selected]) ? ", by hand" : "";
  say(
    part("scene"),
    `Scene ${selected + 1} of ${state.scenes.length}, ${span(selected)}${hand}`,
  );
  part("previous").setAttribute("aria-disabled", String(selected === 0));
  part("next").setAttribute("aria-disabled", String(selected === state.scenes.length - 1));
}

function draw() {
  drawTools();
  drawPad();
  drawChart();
}

// Doing ----------------------------------------------------------------------------------------

/** From a pointer to the coordinates of a picture. */
function placeIn(picture, event) {
  const place = new DOMPoint(event.clientX, event.clientY);
  return place.matrixTransform(picture.getScreenCTM().inverse());
}

/** Follows the pointer from here on; `move` gets coordinates in `surface`. */
function follow(surface, event, before, move) {
  const { x, y } = placeIn(surface, event);
  drag = { surface, pointer: event.pointerId, move, x, y, far: false, before };
  surface.setPointerCapture(event.pointerId);
}

function listen(surface, press) {
  // Else the browser takes the focus off what the press has just focused.
  surface.addEventListener("mousedown", (event) => event.preventDefault());
  surface.addEventListener("pointerdown", (event) => {
    if (event.button === 0 && event.isPrimary) press(event, placeIn(surface, event));
  });
  surface.addEventListener("pointermove", (event) => {
    if (!drag || drag.surface !== surface || drag.pointer !== event.pointerId) return;
    const place = placeIn(surface, event);
    drag.far ||= Math.hypot(place.x - drag.x, place.y - drag.y) >= STILL;
    if (drag.far) drag.move(place);
  });
  const release = (event) => {
    if (drag && drag.pointer !== event.pointerId) return;
    drag = null;
    commit();
  };
  surface.addEventListener("pointerup", release);
  surface.addEventListener("pointercancel", (event) => {
    // The browser took the touch for something else: nothing was meant.
    if (drag && drag.pointer === event.pointerId && pending && editable()) put(drag.before);
    release(event);
  });
}

function moodAt(x, y) {
  return [
    rounded((x - PLANE.left - PLANE.side / 2) / scale),
    rounded((PLANE.top + PLANE.side / 2 - y) / scale),
  ];
}

listen(pad, (event, place) => {
  if (!editable()) return;
  const zoom = pad.getScreenCTM().a;
  const away = ([valence, arousal]) =>
    Math.hypot(across(valence) - place.x, up(arousal) - place.y) * zoom;
  let taken = away(current()) <= GRAB;
  if (!taken && state.mode === "scenes") {
    const distances = state.scenes.map(({ mood }) => away(mood));
    const closest = distances.indexOf(Math.min(...distances));
    if (distances[closest] <= GRAB / 2) {
      select(closest);
      taken = true;
    }
  }
  padParts.point.focus({ preventScroll: true });
  const before = current();
  const [valence, arousal] = before;
  // A point that is taken hold of does not jump to the middle of the finger.
  const slip = taken ? [across(valence) - place.x, up(arousal) - place.y] : [0, 0];
  if (!taken) put(moodAt(place.x, place.y));
  follow(pad, event, before, ({ x, y }) => put(moodAt(x + slip[0], y + slip[1])));
});

listen(chart, (event, place) => {
  if (!state.scenes.length) return;
  const at = measures();
  const later = state.scenes.findIndex(({ start }) => at.x(start) > place.x);
  select((later < 0 ? state.scenes.length : later) - 1);
  const offsets = AXES.map((_, axis) => {
    const [x, y] = handlePlace(selected, axis, at);
    return { axis, x: x - place.x, y: y - place.y };
  });
  const close = offsets
    .filter(({ y }) => Math.abs(y) <= 15)
    .sort((a, b) => Math.hypot(a.x, a.y) - Math.hypot(b.x, b.y));
  if (!close.length) return;
  const { axis, y: slip } = close[0];
  chartParts.handles[axis].children[selected].focus({ preventScroll: true });
  follow(chart, event, current(), ({ y }) => {
    const mood = [...current()];
    mood[axis] = rounded(1 - (2 * (y + slip - CHART.top)) / at.high);
    put(mood);
  });
});

/** Arrow keys; `steer` gets how far to go to the right and up, in hundredths. */
function steered(node, steer) {
  node.addEventListener("keydown", (event) => {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
    const way = ways[event.key];
    if (!way || event.ctrlKey || event.altKey || event.metaKey || !editable()) return;
    event.preventDefault();
    steer(event, way.map((step) => (step * (event.shiftKey ? 1 : 5)) / 100));
    // A key that is held down is told about once, when it is let go.
    if (!event.repeat) commit();
  });
  node.addEventListener("keyup", commit);
}

// Not on parts of the pictures: Chromium lets Tab stop at SVG groups that listen for the focus.
element.addEventListener("focusout", commit);

steered(padParts.point, (_, [right, above]) => {
  const [valence, arousal] = current();
  put([
    right ? rounded(valence + right) : valence,
    above ? rounded(arousal + above) : arousal,
  ]);
});

for (const group of chartParts.handles) {
  steered(group, (event, [right, above]) => {
    const { axis, scene } = event.target.closest("[data-scene]").dataset;
    if (right) {
      select(Number(scene) + Math.sign(right));
      group.children[selected].focus();
      return;
    }
    const mood = [...current()];
    mood[axis] = rounded(mood[axis] + above);
    put(mood);
  });
}

fields.forEach((field, axis) => {
  const typed = () => {
    const number = field.valueAsNumber;
    if (!Number.isFinite(number) || Math.abs(number) > 1 || !editable()) return;
    const mood = [...current()];
    if (mood[axis].toFixed(2) === number.toFixed(2)) return;
    mood[axis] = rounded(number);
    put(mood);
  };
  field.addEventListener("input", typed);
  field.addEventListener("change", () => {
    if (Number.isFinite(field.valueAsNumber)) field.value = within(field.valueAsNumber);
    typed();
    if (!editable()) return;
    field.value = current()[axis].toFixed(2);
    commit();
  });
});

// Radio buttons are a group by their name, which other editors on the page must not share.
const group = `mood-${Math.random().toString(36).slice(2)}`;
for (const radio of radios) {
  radio.name = group;
  radio.addEventListener("change", () => {
    state.mode = radio.value;
    edited();
    draw();
    commit();
  });
}

part("words").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (state.mode === "film") state.mode = "own"; // who chooses an emotion wants another mood
  if (!editable()) return;
  put([...state.emotions.find(({ name }) => name === button.dataset.emotion).mean]);
  commit();
});

for (const name of ["back", "scene-back"]) {
  part(name).addEventListener("click", () => {
    put([...(state.mode === "own" ? state.film : state.scenes[selected].read)]);
    commit();
    // The button is gone, and the focus would be with it.
    padParts.point.focus({ preventScroll: true });
  });
}

part("all-back").addEventListener("click", () => {
  for (const scene of state.scenes) scene.mood = [...scene.read];
  edited();
  draw();
  commit();
  padParts.point.focus({ preventScroll: true });
});

for (const [name, step] of [["previous", -1], ["next", 1]]) {
  part(name).addEventListener("click", () => select(selected + step));
}

new ResizeObserver(drawChart).observe(chart);
watch("value", receive);
draw();
