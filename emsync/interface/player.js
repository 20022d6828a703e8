// The player in the browser. Gradio runs this text as the body of a function whose arguments are
// element, props and watch among others; player.py says what props.value holds, as JSON.

const PAD = 8; // pixels left of the film's start and right of its end
const LEAST_PER_SECOND = 4; // pixels; where there is less room the timeline scrolls
const TILE = 1024; // pixels; browsers limit the size of one canvas
const NARROW = 560; // pixels of the whole player, below which rows are lower
const LOW = 800; // pixels of the window, below which rows are lower still
const STRAY = 8; // pixels that a finger may stray before it drags
const HANDS_OFF = 4000; // ms after somebody scrolled in which the timeline does not follow the film
const ORDER = ["strings", "guitar", "piano", "bass", "drums"]; // from the back to the front
const KEY_ORDER = ["strings", "piano", "guitar", "bass", "drums"];
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120]; // seconds between the times below the timeline
const CLOSE = 9; // pixels below which not every bar line is drawn
const WRITTEN_AHEAD = 2; // seconds that have to be written before the preview goes on
const LEAD = 5; // where a note of a timeline says whether it belongs to the melody
const NEUTRAL = 0.15; // either side of 0, where an axis says nothing
const LETTERS = ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"];
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

const part = (name) => element.querySelector(`[data-part="${name}"]`);
const [video, timelinePart, view, head, lights] = [
  "video", "timeline", "view", "head", "lights",
].map(part);

const shown = { film: null, before: null, poster: null, timeline: null, sketch: null };
let side = "after"; // which of the two films is on: "before" or "after"
let music = null; // {seconds, groups, notes, timeline, lo, hi, drums, buckets} that is drawn
let place = null; // {width, room, rows} in pixels: the timeline, what of it is in view, its rows
let look = null; // colours of the theme
let resume = null; // {time, playing, rate, seconds} of the film before, until the next is known
let wanted = null; // seconds that a seek under way goes to
let finger = null; // {id, x, touch, dragging} while a pointer is down on the timeline
let handled = -Infinity; // when somebody last scrolled the timeline, ms
let frame = 0; // of the animation, 0 while it rests
let sounding = ""; // which notes are lit
let listening = null; // {own, since, muted, waiting} while what is written is heard

part("words").id = `${element.id}-words`;
timelinePart.setAttribute("aria-describedby", part("words").id);

// Values ---------------------------------------------------------------------------------------

function receive() {
  const nothing = { film: null, before: null, poster: null, timeline: null, sketch: null };
  const news = props.value ? JSON.parse(props.value) : nothing;
  const [film, playing] = [shown.film, onScreen()];
  Object.assign(shown, news);
  const poster = shown.poster ?? "";
  if ((video.getAttribute("poster") ?? "") !== poster) video.setAttribute("poster", poster);
  const went = listening !== null;
  if (!shown.sketch && listening) stopListening();
  if (shown.film !== film) side = "after";
  // Who listened to it while it was written goes on where he is.
  if (onScreen() !== playing) change(film === null && shown.film !== null && !went);
  const { timeline, sketch } = shown;
  part("stage").hidden = !onScreen() && !poster && !timeline && !sketch;
  part("score").hidden = !timeline && !sketch;
  const words = sketch ? sketch.words : "";
  if (part("sketching").textContent !== words) part("sketching").textContent = words;
  const kind = [timeline?.moods, timeline?.plan].filter(Boolean).join(" · ");
  part("kind").textContent = sketch ? "" : kind;
  part("listen").hidden = !sketch;
  offer();
  if ("timeline" in news || "sketch" in news) compile();
  arrange();
}

/** Address of the film that is on; null where there is none that browsers can play. */
function onScreen() {
  return side === "before" || !shown.film ? shown.before : shown.film;
}

/** Shows the picture there is, and the switch where there are two films to compare. */
function offer() {
  const still = part("still");
  video.hidden = !onScreen() && Boolean(shown.poster);
  part("picture").hidden = !onScreen() && !shown.poster;
  still.hidden = !video.hidden;
  part("aside").hidden = still.hidden;
  if (!still.hidden && still.getAttribute("src") !== shown.poster) still.src = shown.poster;
  part("sides").hidden = !shown.film || !shown.before;
  for (const button of part("sides").children) {
    button.setAttribute("aria-pressed", String(button.dataset.side === side));
  }
}

function compare(event) {
  const chosen = event.target.closest("button")?.dataset.side;
  if (!chosen || chosen === side) return;
  side = chosen;
  offer();
  change();
  move();
}

/** What is to be drawn, in the form in which it is drawn. */
function compile() {
  const { timeline, sketch } = shown;
  const source = sketch ?? timeline;
  if (!source) {
    music = null;
    return;
  }
  const drum = source.groups.indexOf("drums");
  const plan = sketch ? null : planOf(timeline);
  const notes = source.notes.filter((note) => note[2] < source.seconds);
  let lo = sketch ? 40 : Infinity;
  let hi = sketch ? 80 : -Infinity;
  for (const [group, pitch] of notes) {
    if (group === drum) continue;
    lo = Math.min(lo, pitch);
    hi = Math.max(hi, pitch);
  }
  if (lo > hi) [lo, hi] = [48, 72];
  const spare = Math.max(2, Math.ceil((24 - (hi - lo)) / 2));
  // By second, so that finding what sounds now does not depend on how long the film is.
  const buckets = Array.from({ length: Math.ceil(source.seconds) + 1 }, () => []);
  notes.forEach(([, , start, end], i) => {
    const last = Math.min(buckets.length - 1, Math.floor(end));
    for (let second = Math.max(0, Math.floor(start)); second <= last; second += 1) {
      buckets[second].push(i);
    }
  });
  music = {
    seconds: source.seconds,
    groups: source.groups,
    notes,
    // Of the film as it was before; a sketch may be for another one.
    timeline: timeline && Math.abs(timeline.seconds - source.seconds) < 0.1 ? timeline : null,
    lo: lo - spare,
    hi: hi + spare,
    plan,
    drum,
    drums: [...new Set(notes.filter((n) => n[0] === drum).map((n) => n[1]))].sort((a, b) => a - b),
    buckets,
  };
}

/** Chords, form and beat of a timeline; null where nothing was planned, or it is an old one. */
function planOf({ bars = [], symbols = [], sections = [] }) {
  if (!symbols.length) return null;
  return { bars, symbols, sections };
}

// The film -------------------------------------------------------------------------------------

function change(anew = false) {
  if (anew) {
    resume = null;
  } else if (video.readyState > 0 && resume === null && video.currentSrc) {
    resume = {
      time: video.ended ? 0 : wanted ?? video.currentTime,
      playing: !video.paused && !video.ended,
      rate: video.playbackRate,
      seconds: video.duration,
    };
  }
  wanted = null;
  part("trouble").hidden = true;
  if (onScreen()) {
    video.src = onScreen();
  } else {
    resume = null;
    video.removeAttribute("src");
  }
  video.load();
}

function begin() {
  if (video.videoWidth) video.style.aspectRatio = `${video.videoWidth} / ${video.videoHeight}`;
  const before = resume;
  resume = null;
  if (before && Math.abs(before.seconds - video.duration) < 0.1) {
    video.currentTime = before.time;
    video.playbackRate = before.rate;
    if (before.playing) start();
  }
  move();
}

function start() {
  // Browsers may refuse a film that nobody asked for; its own button stays.
  video.play().catch(() => {});
}

function seek(seconds) {
  if (!music || !onScreen()) return;
  wanted = Math.min(Math.max(0, seconds), Math.min(music.seconds, video.duration || Infinity));
  // One seek at a time: a film of many megabytes would never catch up with a drag.
  if (!video.seeking) video.currentTime = wanted;
  move(!finger);
}

function arrived() {
  const goal = wanted;
  wanted = null;
  if (goal !== null && Math.abs(goal - video.currentTime) > 0.02) {
    wanted = goal;
    video.currentTime = goal;
  }
  move();
}

function at() {
  if (listening?.own !== undefined && !onScreen()) return Math.min(ownTime(), music.seconds);
  return Math.min(wanted ?? video.currentTime, music.seconds);
}

// Listening while it is written ------------------------------------------------------------------

const sampler = makeSampler(props.preview, playingNow, () =>
  music.notes.map(([group, pitch, start, end]) => [music.groups[group], pitch, start, end]),
);

/** The time where there is no film to go by, as browsers cannot play it. */
function ownTime() {
  return listening.waiting ? listening.own : listening.own + (Date.now() - listening.since) / 1000;
}

/** How far the piece is written, in seconds. */
function written() {
  return music ? Math.max(0, ...music.notes.slice(-200).map((note) => note[3])) : 0;
}

/** What the sampler goes by; the film waits where nothing is written yet. */
function playingNow() {
  if (!music || !shown.sketch || !listening) return null;
  const isFilm = onScreen() !== null;
  const end = written();
  if (listening.waiting) {
    if (end < Math.min(at() + WRITTEN_AHEAD, music.seconds - 0.1)) return null;
    wait(false);
  } else if (at() > end - 0.2 && end < music.seconds - 1 && (!isFilm || !video.paused)) {
    wait(true);
  }
  sayListening();
  move();
  if (listening.waiting || (isFilm && (video.paused || video.seeking))) return null;
  return [at(), isFilm ? video.playbackRate : 1];
}

function wait(isWaiting) {
  listening.own = Math.min(ownTime(), music.seconds);
  listening.since = Date.now();
  listening.waiting = isWaiting;
  if (!onScreen()) return;
  if (isWaiting) video.pause();
  else start();
}

async function listen() {
  if (listening) {
    stopListening();
    return;
  }
  listening = { own: 0, since: Date.now(), muted: video.muted, waiting: true };
  video.muted = true;
  if (at() > written() - 1) seek(0);
  sayListening();
  try {
    await sampler.start();
  } catch {
    stopListening();
    part("preview").textContent = "This browser cannot play the preview.";
  }
}

function stopListening() {
  sampler.stop();
  video.muted = listening.muted;
  listening = null;
  sayListening();
}

function sayListening() {
  const button = part("listen");
  button.setAttribute("aria-pressed", String(listening !== null));
  const words = listening ? "Stop listening" : "Listen while it is written";
  if (button.textContent !== words) button.textContent = words;
  const told = !listening ? "" : listening.waiting ? "Preview: waiting for notes …"
    : "Preview with simple sounds";
  if (part("preview").textContent !== told) part("preview").textContent = told;
}

// Rows and widths ------------------------------------------------------------------------------

/** Measures, then draws all that does not move. */
function arrange() {
  if (!music || !element.isConnected || element.clientWidth === 0) return;
  const { seconds, timeline } = music;
  const narrow = element.clientWidth < NARROW;
  const low = window.innerHeight < LOW;
  const sketched = shown.sketch !== null;
  const rows = {};
  let top = 6;
  const row = (name, height, gap = 8) => {
    rows[name] = { top, height };
    top += height + gap;
  };
  if (timeline) {
    const picture = timeline.scenes.some((scene) => scene.picture);
    row("scenes", (picture ? (low ? 36 : narrow ? 42 : 58) : 0) + 22);
    row("mood", low ? 40 : narrow ? 54 : 64);
    row("cuts", 16, 2);
    // Kept while another piece is drawn, so that nothing jumps.
    if (planOf(timeline)) row("plan", 17, 3);
  }
  row("roll", low ? 104 : narrow ? 150 : 200, 4);
  if (music.drums.length || sketched) row("drums", low ? 22 : narrow ? 30 : 36, 6);
  if (timeline?.said.length) row("said", 20, 4);
  if (timeline?.read.length) row("read", 20, 4);
  row("times", 20, 0);
  part("timeline").style.height = `${top}px`;
  const room = view.clientWidth;
  const width = Math.max(room, Math.round(seconds * LEAST_PER_SECOND) + 2 * PAD);
  timelinePart.style.width = `${width}px`;
  part("desk").classList.toggle("wide", width > room);
  place = { width, room, rows, height: top, narrow };
  look = colours();
  part("words").textContent = sketched ? "" : timeline.words;
  timelinePart.setAttribute("aria-valuemax", String(Math.round(seconds * 10) / 10));
  timelinePart.setAttribute("aria-disabled", String(!onScreen()));
  name();
  strips();
  explain();
  paint();
  sounding = "";
  move();
}

function x(seconds) {
  return PAD + (Math.min(seconds, music.seconds) / music.seconds) * (place.width - 2 * PAD);
}

function y(pitch) {
  const { top, height } = place.rows.roll;
  return top + ((music.hi + 1 - pitch) / (music.hi + 1 - music.lo)) * height;
}

function clock(seconds) {
  const whole = Math.floor(seconds + 1e-6);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function pitchName(pitch) {
  return `${LETTERS[pitch % 12]}${Math.floor(pitch / 12) - 1}`;
}

function percent(share) {
  return `${Math.round(share * 100)}%`;
}

/** An emotion with its probability; "mixed" is none, and has none. */
function feeling({ emotion, share }) {
  return emotion === "mixed" ? emotion : `${emotion} ${percent(share)}`;
}

function signed(number) {
  if (Math.abs(number) <= NEUTRAL) return "neutral";
  return `${number < 0 ? "−" : "+"}${Math.abs(number).toFixed(2)}`;
}

function make(tag, kind, text = "") {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  if (text) made.textContent = text;
  return made;
}

/** The names of the rows, which stay where they are while the timeline scrolls. */
function name() {
  const { rows } = place;
  const names = [];
  const put = (text, height, small = false) => {
    const label = make("span", small ? "small" : "", text);
    label.style.top = `${height + 1}px`;
    names.push(label);
  };
  const middle = (row) => row.top + row.height / 2;
  if (rows.scenes) put("scenes", middle(rows.scenes));
  if (rows.mood) {
    put("+1", rows.mood.top + 4, true);
    put("mood", middle(rows.mood));
    put("−1", rows.mood.top + rows.mood.height - 4, true);
  }
  if (rows.cuts) put("cuts", middle(rows.cuts));
  if (rows.plan) put("chords", middle(rows.plan));
  for (const pitch of octaves()) put(`C${pitch / 12 - 1}`, y(pitch + 0.5), true);
  if (rows.drums) put("drums", middle(rows.drums));
  if (rows.said) put("said", middle(rows.said));
  if (rows.read) put("read", middle(rows.read));
  part("names").replaceChildren(...names);
}

/** The Cs within the roll; every other one where octaves are low. */
function octaves() {
  const found = [];
  for (let pitch = Math.ceil(music.lo / 12) * 12; pitch <= music.hi; pitch += 12) found.push(pitch);
  return y(0) - y(12) < 16 ? found.filter((pitch) => (pitch / 12) % 2) : found;
}

// What is made of elements: scenes, captions, times ----------------------------------------------

function strips() {
  const { rows } = place;
  const timeline = music.timeline;
  const fill = (name, children) => {
    const strip = part(name);
    strip.hidden = !rows[name];
    if (!rows[name]) return strip.replaceChildren();
    strip.style.top = `${rows[name].top}px`;
    strip.style.height = `${rows[name].height}px`;
    return strip.replaceChildren(...children());
  };
  const span = (child, { start, end }, least = 1) => {
    child.style.left = `${x(start)}px`;
    child.style.width = `${Math.max(least, x(end) - x(start))}px`;
    return child;
  };
  // The pictures are decoded once; a sketch every half second must not make them anew.
  const key = timeline && JSON.stringify([place.width, rows.scenes, look.paper]);
  if (strips.timeline !== timeline || strips.key !== key) {
    fill("scenes", () => timeline.scenes.map((scene) => {
      const child = span(make("div", "scene"), scene);
      const ground = make("i");
      ground.style.height = `${rows.scenes.height - 22}px`;
      child.append(ground);
      if (scene.picture) {
        const picture = make("img");
        picture.alt = "";
        picture.src = scene.picture;
        ground.append(picture);
      }
      const bar = make("b");
      bar.style.background = props.emotions[scene.emotion] ?? look.line;
      child.append(bar);
      const room = x(scene.end) - x(scene.start) - 12;
      const words = [feeling(scene), scene.emotion];
      const fits = words.find((text) => text.length * 6 < room);
      if (fits) child.append(make("span", "", fits));
      return child;
    }));
    strips.timeline = timeline;
    strips.key = key;
  }
  fill("plan", () => (music.plan ? planned() : []));
  for (const name of ["said", "read"]) {
    fill(name, () => timeline[name].map((caption) => {
      const room = x(caption.end) - x(caption.start);
      return span(make("div", "caption", room > 30 ? caption.text : ""), caption, 3);
    }));
  }
  fill("times", () => ticks().map((second, i, all) => {
    const edge = i === 0 ? " first" : "";
    const child = make("span", `time${edge}`, clock(second));
    child.style.left = `${x(second)}px`;
    if (i === all.length - 1 && place.width - x(second) < 18) child.classList.add("last");
    return child;
  }));
}

/** Letters of the sections and symbols of the chords: as many as there is room for. */
function planned() {
  const { sections, symbols } = music.plan;
  const letters = sections.map(([second, letter]) => {
    const child = make("span", "section", letter);
    child.style.left = `${x(second)}px`;
    return child;
  });
  const width = (text) => 7 + 6.2 * text.length;
  const taken = sections.map(([second, letter]) => [x(second), x(second) + 9 + 8 * letter.length]);
  let free = 0; // pixels from the left that are taken already
  const chords = [];
  for (const [second, symbol] of symbols) {
    const under = taken.find(([left, right]) => left - 1 <= x(second) && x(second) < right);
    const left = under ? under[1] : x(second);
    const next = taken.find(([start]) => start > left)?.[0] ?? place.width;
    if (left < free || left + width(symbol) > next) continue;
    const child = make("span", under ? "symbol bare" : "symbol", symbol);
    child.style.left = `${under ? left + 2 : left}px`;
    chords.push(child);
    free = left + width(symbol);
  }
  return [...chords, ...letters];
}

function ticks() {
  const scale = (place.width - 2 * PAD) / music.seconds;
  const step = STEPS.find((seconds) => seconds * scale >= 56) ?? STEPS.at(-1);
  return Array.from({ length: Math.floor(music.seconds / step + 1e-6) + 1 }, (_, i) => i * step);
}

// Colours --------------------------------------------------------------------------------------

function colours() {
  const style = getComputedStyle(element);
  const resolve = (name) => numbers(style.getPropertyValue(name));
  const paper = resolve("--em-paper");
  const groups = Object.fromEntries(
    Object.entries(props.groups).map(([name, hex]) => [name, readable(numbers(hex), paper)]),
  );
  return {
    ink: css(resolve("--em-ink")),
    paper: css(paper),
    line: css(resolve("--em-line")),
    valence: css(resolve("--em-valence")),
    arousal: css(resolve("--em-arousal")),
    missed: css(readable(numbers(props.missed), paper)),
    groups: Object.fromEntries(Object.entries(groups).map(([name, rgb]) => [name, css(rgb)])),
    pale: Object.fromEntries(
      Object.entries(groups).map(([name, rgb]) => [name, css(blend(rgb, paper, 0.6))]),
    ),
  };
}

/** Any CSS colour as [red, green, blue], 0 to 255. */
function numbers(colour) {
  const pen = (numbers.pen ??= document.createElement("canvas").getContext("2d", {
    willReadFrequently: true,
  }));
  pen.fillStyle = "#808080";
  pen.fillStyle = colour.trim();
  pen.fillRect(0, 0, 1, 1);
  return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
}

function css(rgb) {
  return `rgb(${rgb.map(Math.round).join(", ")})`;
}

function blend(one, other, share) {
  return one.map((value, i) => value + (other[i] - value) * share);
}

/** Relative luminance of WCAG 2. */
function luminance(rgb) {
  const [red, green, blue] = rgb.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** The colour, moved away from the paper until it stands out by 3 : 1, as WCAG 2 asks of signs. */
function readable(rgb, paper) {
  const far = luminance(paper) > 0.18 ? [0, 0, 0] : [255, 255, 255];
  for (let share = 0; share < 1; share += 0.04) {
    const [low, high] = [luminance(blend(rgb, far, share)), luminance(paper)].sort((a, b) => a - b);
    if ((high + 0.05) / (low + 0.05) >= 3) return blend(rgb, far, share);
  }
  return far;
}

// What is painted ------------------------------------------------------------------------------

function paint() {
  const began = performance.now();
  const { width, height } = place;
  const tiles = Math.ceil(width / TILE);
  // A film of ten minutes on a phone's fine screen would otherwise fill its memory.
  const fine = Math.min(window.devicePixelRatio || 1, tiles > 2 ? 2 : 3);
  const paper = part("paper");
  while (paper.children.length > tiles) paper.lastChild.remove();
  while (paper.children.length < tiles) paper.append(make("canvas"));
  [...paper.children].forEach((canvas, i) => {
    const left = i * TILE;
    const across = Math.min(TILE, width - left);
    const pen = sized(canvas, across, height, fine);
    canvas.style.left = `${left}px`;
    pen.translate(-left, 0);
    draw(pen, left, left + across);
  });
  element.dataset.notes = String(music.notes.length);
  element.dataset.painted = (performance.now() - began).toFixed(1);
}

function sized(canvas, width, height, fine) {
  canvas.width = Math.round(width * fine);
  canvas.height = Math.round(height * fine);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.setTransform(fine, 0, 0, fine, 0, 0);
  return pen;
}

/** All that does not move between two heights of the timeline, in pixels from its left. */
function draw(pen, left, right) {
  const { rows } = place;
  const sketched = shown.sketch !== null;
  grid(pen, left, right);
  if (rows.mood) moods(pen, rows.mood, sketched);
  const groups = [...music.groups.keys()].sort(
    (a, b) => ORDER.indexOf(music.groups[a]) - ORDER.indexOf(music.groups[b]),
  );
  const boxes = groups.map(() => []);
  const scale = music.seconds / (place.width - 2 * PAD);
  const [from, to] = [(left - PAD - 4) * scale, (right - PAD) * scale];
  for (const note of music.notes) {
    if (note[2] < to && note[3] > from) boxes[note[0]].push(boxOf(note));
  }
  for (const group of groups) drawNotes(pen, music.groups[group], boxes[group]);
  drawMelody(pen, from, to);
  if (music.timeline) cuts(pen, sketched);
}

function grid(pen, left, right) {
  const { roll, drums, times } = place.rows;
  pen.fillStyle = look.line;
  const lines = barLines();
  for (const second of lines ?? ticks()) {
    pen.fillRect(x(second), roll.top, 0.5, times.top - roll.top);
  }
  for (const pitch of octaves()) pen.fillRect(left, Math.round(y(pitch)), right - left, 1);
  for (const row of [roll, drums]) {
    if (row) pen.fillRect(left, row.top + row.height, right - left, 1);
  }
}

/** Bar lines, or every second, fourth … of them where they are close; null without a plan. */
function barLines() {
  const bars = music.plan?.bars ?? [];
  if (bars.length < 2) return null;
  const lasting = (bars.at(-1) - bars[0]) / (bars.length - 1);
  const apart = (lasting / music.seconds) * (place.width - 2 * PAD);
  let step = 1;
  while (step * apart < CLOSE) step *= 2;
  return bars.filter((_, i) => i % step === 0);
}

/** [left, top, width, height] of a note, in pixels of the timeline. */
function boxOf([group, pitch, start, end]) {
  if (group === music.drum) {
    const { top, height } = place.rows.drums;
    const lane = height / music.drums.length;
    return [x(start), top + height - lane * (music.drums.indexOf(pitch) + 1), 1.5,
      Math.max(1.5, lane - 1)];
  }
  const tall = y(pitch) - y(pitch + 1);
  const wide = Math.max(1.2, x(end) - x(start) - 0.6);
  const height = Math.max(1.8, tall * 0.88);
  return [x(start), y(pitch + 0.5) - height / 2, wide, height];
}

/** Notes in the sign of their group: strings hollow, guitar with a string across, bass underlined. */
function drawNotes(pen, group, boxes) {
  pen.fillStyle = look.groups[group];
  for (const box of boxes) pen.fillRect(...box);
  const inner = {
    strings: ([left, top, width, height]) => [left + 1, top + 1, width - 2, height - 2],
    guitar: ([left, top, width, height]) => [left + 1, top + height / 2 - 0.5, width - 2, 1],
    bass: ([left, top, width, height]) => [left, top + height - 1, width, 1],
  }[group];
  if (!inner) return;
  pen.fillStyle = { strings: look.pale.strings, guitar: look.paper, bass: look.ink }[group];
  for (const box of boxes) {
    if (box[2] > 3 && box[3] > 2.5) pen.fillRect(...inner(box));
  }
}

/** An edge of ink around the notes of the melody, in front of all others. */
function drawMelody(pen, from, to) {
  for (const note of music.notes) {
    if (!note[LEAD] || note[2] >= to || note[3] <= from) continue;
    const [left, top, width, height] = boxOf(note);
    pen.fillStyle = look.ink;
    pen.fillRect(left - 1, top - 1, width + 2, height + 2);
    pen.fillStyle = look.groups[music.groups[note[0]]];
    pen.fillRect(left, top, width, height);
  }
}

/** Thin as each scene was read, thick as was composed for. */
function moods(pen, { top, height }, sketched) {
  const level = (value) => top + ((1 - value) / 2) * height;
  pen.fillStyle = look.line;
  for (const value of [-1, 0, 1]) {
    pen.fillRect(x(0), Math.round(level(value)), x(music.seconds) - x(0), value === 0 ? 1 : 0.5);
  }
  for (const axis of ["valence", "arousal"]) {
    for (const [stretches, thick] of [[music.timeline.scenes, 1], [music.timeline.curve, 2.4]]) {
      if (thick > 1 && sketched) continue;
      pen.strokeStyle = look[axis];
      pen.lineWidth = thick;
      pen.setLineDash(axis === "arousal" ? [6, 4] : []);
      pen.beginPath();
      for (const stretch of stretches) {
        pen.lineTo(x(stretch.start), level(stretch[axis]));
        pen.lineTo(x(stretch.end), level(stretch[axis]));
      }
      pen.stroke();
    }
  }
  pen.setLineDash([]);
}

function cuts(pen, sketched) {
  const { rows } = place;
  const { timeline } = music;
  const top = rows.cuts.top;
  const bottom = rows.drums ? rows.drums.top + rows.drums.height : rows.roll.top + rows.roll.height;
  for (const cut of timeline.cuts) {
    if (!cut.kept) drawTick(pen, x(cut.time), top + 3);
  }
  if (!sketched) {
    const taken = new Set(timeline.boundaries.map((boundary) => boundary.hit));
    for (const chord of timeline.chords) {
      if (!taken.has(chord) && chord < music.seconds) drawChord(pen, x(chord), top + 8);
    }
  }
  for (const boundary of timeline.boundaries) {
    drawBoundary(pen, sketched ? "asked" : signOf(boundary), x(boundary.asked), top + 2, bottom);
  }
}

function signOf({ hit, kind }) {
  if (hit === null) return "missed";
  return kind;
}

function drawTick(pen, across, top) {
  pen.globalAlpha = 0.55;
  pen.fillStyle = look.ink;
  pen.fillRect(across - 0.5, top, 1, 10);
  pen.globalAlpha = 1;
}

function drawChord(pen, across, middle) {
  pen.fillStyle = look.ink;
  pen.globalAlpha = 0.8;
  pen.beginPath();
  for (const [dx, dy] of [[0, -3], [3, 0], [0, 3], [-3, 0]]) pen.lineTo(across + dx, middle + dy);
  pen.fill();
  pen.globalAlpha = 1;
}

/** A line with a sign at its top: a triangle for a cut, hollow if missed; a square for the ending. */
function drawBoundary(pen, sign, across, top, bottom, size = 10) {
  const missed = sign === "missed";
  pen.strokeStyle = pen.fillStyle = missed ? look.missed : look.ink;
  pen.globalAlpha = sign === "asked" ? 0.45 : 1;
  pen.lineWidth = 1.4;
  pen.setLineDash({ missed: [6, 4], ending: [1.5, 3] }[sign] ?? []);
  pen.beginPath();
  pen.moveTo(across, top + size);
  pen.lineTo(across, bottom);
  pen.stroke();
  pen.setLineDash([]);
  if (sign !== "asked") {
    const half = size / 2;
    pen.beginPath();
    if (sign === "ending") {
      pen.rect(across - half + 1, top + 1, size - 2, size - 2);
    } else {
      for (const [dx, dy] of [[-half, 0], [half, 0], [0, size]]) pen.lineTo(across + dx, top + dy);
      pen.closePath();
    }
    if (missed) pen.fillStyle = look.paper;
    pen.fill();
    pen.stroke();
  }
  pen.globalAlpha = 1;
}

/** The key: the same signs, with words. */
function explain() {
  const entries = [];
  const sign = (words, width, stroke) => {
    const entry = make("span");
    const canvas = make("canvas");
    stroke(sized(canvas, width, 18, window.devicePixelRatio || 1));
    entry.append(canvas, words);
    entries.push(entry);
  };
  const heard = new Set(music.notes.map((note) => music.groups[note[0]]));
  for (const group of KEY_ORDER) {
    if (!heard.has(group)) continue;
    sign(group, group === "drums" ? 8 : 20, (pen) => {
      const strokes = [0, 3, 6].map((left) => [left, 4 + (left % 2) * 4, 1.5, 7]);
      drawNotes(pen, group, group === "drums" ? strokes : [[0, 6, 20, 6]]);
    });
  }
  if (music.notes.some((note) => note[LEAD])) {
    sign("melody", 20, (pen) => {
      pen.fillStyle = look.ink;
      pen.fillRect(0, 5, 20, 8);
      pen.fillStyle = look.paper;
      pen.fillRect(1.2, 6.2, 17.6, 5.6);
    });
  }
  const { timeline } = music;
  if (timeline && shown.sketch === null) {
    const count = (name) => timeline.boundaries.filter((b) => signOf(b) === name && b.kind === "cut");
    const [hits, misses] = [count("cut").length, count("missed").length];
    const boundary = (kind) => (pen) => drawBoundary(pen, kind, 6, 1, 18, 8);
    if (hits) sign(`cut hit (${hits})`, 12, boundary("cut"));
    if (misses) sign(`cut missed (${misses})`, 12, boundary("missed"));
    const ending = timeline.boundaries.find(({ kind }) => kind === "ending");
    if (ending?.hit === null) sign("ending missed", 12, boundary("missed"));
    else if (ending) sign("ending", 12, boundary("ending"));
    if (timeline.cuts.some((cut) => !cut.kept)) {
      sign("cut too close to another", 6, (pen) => drawTick(pen, 3, 4));
    }
    if (timeline.chords.length) sign("other strong chord", 10, (pen) => drawChord(pen, 5, 9));
    const line = (axis, dash) => (pen) => {
      pen.strokeStyle = look[axis];
      pen.lineWidth = 2.4;
      pen.setLineDash(dash);
      pen.beginPath();
      pen.moveTo(0, 9);
      pen.lineTo(26, 9);
      pen.stroke();
    };
    sign("valence", 26, line("valence", []));
    sign("arousal", 26, line("arousal", [6, 4]));
    entries.push(make("span", "", "thin: as read in the film, thick: as composed for"));
  }
  const words = JSON.stringify([entries.map((entry) => entry.textContent), look]);
  if (explain.words !== words) part("key").replaceChildren(...entries);
  explain.words = words;
}

// What moves -----------------------------------------------------------------------------------

function move(follow = true) {
  if (!music || !place) return;
  const now = at();
  const across = x(now);
  head.hidden = !onScreen() && !listening;
  head.style.transform = `translateX(${across}px)`;
  const text = `${clock(now)} of ${clock(music.seconds)}`;
  if (timelinePart.getAttribute("aria-valuetext") !== text) {
    timelinePart.setAttribute("aria-valuetext", text);
    timelinePart.setAttribute("aria-valuenow", String(Math.round(now * 10) / 10));
  }
  if (follow && place.width > place.room && performance.now() - handled > HANDS_OFF) {
    const inView = across - view.scrollLeft;
    if (inView < 4 || inView > 0.88 * place.room) view.scrollLeft = across - 0.15 * place.room;
  }
  light(now);
  tell(now);
  strike(now);
}

/** The picture's edge pulses when the film passes a cut that the music hits. */
function strike(now) {
  const last = strike.last ?? now;
  strike.last = now;
  if (video.paused || side === "before" || !music.timeline || now - last > 1) return;
  const met = music.timeline.boundaries.some(({ hit }) => hit !== null && last < hit && hit <= now);
  if (!met) return;
  part("picture").classList.remove("hit");
  void part("picture").offsetWidth; // so that the animation begins anew
  part("picture").classList.add("hit");
}

/** Lights up what sounds. */
function light(now) {
  const lit = listening || (shown.sketch === null && onScreen()) ? soundingAt(now) : [];
  const key = `${lit}|${view.scrollLeft}`;
  if (key === sounding) return;
  sounding = key;
  const { room, height } = place;
  const fine = Math.min(window.devicePixelRatio || 1, 3);
  const size = [Math.round(room * fine), Math.round(height * fine)];
  if (lights.width !== size[0] || lights.height !== size[1]) sized(lights, room, height, fine);
  lights.style.left = `${view.scrollLeft}px`;
  const pen = lights.getContext("2d");
  pen.setTransform(fine, 0, 0, fine, 0, 0);
  pen.clearRect(0, 0, room, height);
  pen.translate(-view.scrollLeft, 0);
  for (const i of lit) {
    const note = music.notes[i];
    const [left, top, width, tall] = boxOf(note);
    if (note[0] === music.drum) {
      pen.fillStyle = look.ink;
      pen.fillRect(left - 1, top - 1, 4, tall + 2);
      continue;
    }
    pen.fillStyle = look.ink;
    pen.fillRect(left - 1.5, top - 1.5, width + 3, tall + 3);
    pen.fillStyle = look.groups[music.groups[note[0]]];
    pen.fillRect(left, top, width, tall);
  }
}

function soundingAt(now) {
  const bucket = music.buckets[Math.floor(now)] ?? [];
  return bucket.filter((i) => music.notes[i][2] <= now && now < music.notes[i][3]);
}

const within = (now) => ({ start, end }) => start <= now && now < end;

function sceneAt(now) {
  const { scenes } = music.timeline;
  return Math.max(0, scenes.findLastIndex((scene) => scene.start <= now));
}

/** The line below the timeline: where the film is. */
function tell(now) {
  const said = [];
  if (music.timeline && shown.sketch === null && onScreen()) {
    const { scenes, boundaries } = music.timeline;
    const number = sceneAt(now);
    const scene = scenes[number];
    const of = scenes.length > 1 ? `Scene ${number + 1} of ${scenes.length}` : "The film";
    said.push(`${clock(now)}`, `${of}: ${feeling(scene)}`);
    const chord = heldAt(music.plan?.symbols, now);
    if (chord) said.push(`${chord}${inSection(now)}`);
    const next = boundaries.find((boundary) => boundary.asked > now);
    if (next) {
      const what = next.kind === "cut" ? "next cut" : "ending";
      const how = next.hit === null ? "the music misses it" : "the music hits it";
      said.push(`${what} in ${Math.ceil(next.asked - now)} s, ${how}`);
    }
    said.push(...captionsAt(now));
  }
  const text = said.join(" · ");
  if (part("now").textContent !== text) part("now").textContent = text;
}

/** The section that holds at a time, in words; nothing where there are none. */
function inSection(at) {
  const letter = heldAt(music.plan.sections, at);
  return letter ? `, section ${letter}` : "";
}

/** Of [[seconds, what], ...], each until the next, what holds now. */
function heldAt(held, now) {
  return held?.findLast(([from]) => from <= now + 0.01)?.[1] ?? held?.[0]?.[1];
}

function captionsAt(now) {
  const { said, read } = music.timeline;
  return [
    ...said.filter(within(now)).map(({ text }) => `“${text}”`),
    ...read.filter(within(now)).map(({ text }) => `on screen: “${text}”`),
  ];
}

function run() {
  frame = 0;
  if (!element.isConnected || video.paused || video.ended) return;
  move();
  frame = requestAnimationFrame(run);
}

/** Runs with the pictures while the film plays; who wants less motion gets the film's own steps. */
function wake() {
  if (!frame && !calm.matches && !video.paused) frame = requestAnimationFrame(run);
  move();
}

// Hands ----------------------------------------------------------------------------------------

function secondsAt(event) {
  const left = timelinePart.getBoundingClientRect().left + PAD;
  return ((event.clientX - left) / (place.width - 2 * PAD)) * music.seconds;
}

function press(event) {
  if (event.button !== 0 || !onScreen()) return;
  const touch = event.pointerType === "touch";
  finger = { id: event.pointerId, x: event.clientX, touch, dragging: !touch };
  handled = -Infinity;
  if (touch) return;
  timelinePart.setPointerCapture(event.pointerId);
  seek(secondsAt(event));
}

function drag(event) {
  if (!finger || finger.id !== event.pointerId) {
    if (event.pointerType !== "touch") point(event);
    return;
  }
  // A wide timeline scrolls under the finger, and a tap seeks.
  if (finger.touch && place.width > place.room) return;
  if (!finger.dragging && Math.abs(event.clientX - finger.x) > STRAY) {
    finger.dragging = true;
    timelinePart.setPointerCapture(event.pointerId);
  }
  if (finger.dragging) seek(secondsAt(event));
  if (!finger.touch) point(event);
}

function release(event) {
  if (!finger || finger.id !== event.pointerId) return;
  const tapped = finger.touch && !finger.dragging && event.type === "pointerup"
    && Math.abs(event.clientX - finger.x) <= STRAY;
  finger = null;
  if (tapped) seek(secondsAt(event));
}

function key(event) {
  if (!music || !onScreen() || event.ctrlKey || event.altKey || event.metaKey) return;
  const now = at();
  const asked = [0, ...(music.timeline?.boundaries ?? []).map((b) => b.asked), music.seconds];
  // While the film plays, one must get beyond the cut that was just passed.
  const before = () => asked.findLast((second) => second < now - 0.5) ?? 0;
  const after = () => asked.find((second) => second > now + 0.05) ?? music.seconds;
  const acts = {
    ArrowLeft: () => seek(event.shiftKey ? before() : now - 1),
    ArrowRight: () => seek(event.shiftKey ? after() : now + 1),
    ArrowDown: () => seek(now - 1),
    ArrowUp: () => seek(now + 1),
    Home: () => seek(0),
    End: () => seek(music.seconds),
    " ": () => (video.paused ? start() : video.pause()),
  };
  if (!Object.hasOwn(acts, event.key)) return;
  event.preventDefault();
  handled = -Infinity;
  acts[event.key]();
}

/** What lies under the mouse, in words. */
function point(event) {
  if (!music || !place || place.narrow) return;
  const seconds = Math.min(Math.max(0, secondsAt(event)), music.seconds);
  const across = x(seconds);
  const [pointed, tip] = [part("pointed"), part("tip")];
  pointed.hidden = tip.hidden = false;
  pointed.style.left = `${across}px`;
  const tenths = Math.round(seconds * 10);
  const lines = [`${clock(tenths / 10)}.${tenths % 10}`];
  const height = event.clientY - timelinePart.getBoundingClientRect().top;
  const found = noteAt(seconds, height);
  if (found) lines.push(found);
  const { timeline } = music;
  if (timeline) {
    const number = sceneAt(seconds);
    const scene = timeline.scenes[number];
    lines.push(`Scene ${number + 1}: ${feeling(scene)}, valence ${signed(scene.valence)}, `
      + `arousal ${signed(scene.arousal)}`);
    const chord = heldAt(music.plan?.symbols, seconds);
    if (chord) lines.push(`Chord ${chord}${inSection(seconds)}`);
    if (shown.sketch === null) {
      const close = timeline.boundaries.find((b) => Math.abs(x(b.asked) - across) < 6);
      if (close) lines.push(boundaryWords(close));
    }
    lines.push(...captionsAt(seconds));
  }
  tip.textContent = lines.join("\n");
  // Beside the mouse, where it hides neither the place pointed at nor the film.
  const desk = part("desk").getBoundingClientRect();
  const mouse = event.clientX - desk.left;
  const right = mouse + 16 + tip.offsetWidth <= desk.width;
  tip.style.left = `${right ? mouse + 16 : Math.max(0, mouse - 16 - tip.offsetWidth)}px`;
  const lowest = Math.max(0, desk.height - tip.offsetHeight);
  tip.style.top = `${Math.min(event.clientY - desk.top + 12, lowest)}px`;
}

function noteAt(seconds, height) {
  const found = soundingAt(seconds).map((i) => music.notes[i]).findLast((note) => {
    const [, top, , tall] = boxOf(note);
    return note[0] !== music.drum && top - 1 <= height && height <= top + tall + 1;
  });
  if (!found) return null;
  return `${music.groups[found[0]]} ${pitchName(found[1])}${found[LEAD] ? ", melody" : ""}`;
}

function boundaryWords({ asked, hit, offset, kind }) {
  const what = `${kind === "cut" ? "Cut" : "Ending"} at ${asked.toFixed(1)} s`;
  if (hit === null) return `${what}: missed`;
  if (Math.abs(offset) < 0.01) return `${what}: hit`;
  return `${what}: hit ${Math.abs(offset).toFixed(2)} s ${offset < 0 ? "early" : "late"}`;
}

function leave() {
  part("pointed").hidden = part("tip").hidden = true;
}

// ----------------------------------------------------------------------------------------------

video.addEventListener("loadedmetadata", begin);
video.addEventListener("seeked", arrived);
video.addEventListener("error", () => {
  if (!onScreen()) return;
  part("trouble").textContent = "This browser cannot play the film: it does not know the form of "
    + "its picture, or the file is gone. Download the film to watch it elsewhere.";
  part("trouble").hidden = false;
});
for (const name of ["play", "playing"]) video.addEventListener(name, wake);
for (const name of ["timeupdate", "seeking", "pause", "ended"]) {
  video.addEventListener(name, () => move());
}
part("sides").addEventListener("click", compare);
part("listen").addEventListener("click", listen);
timelinePart.addEventListener("pointerdown", press);
timelinePart.addEventListener("pointermove", drag);
for (const name of ["pointerup", "pointercancel"]) timelinePart.addEventListener(name, release);
timelinePart.addEventListener("pointerleave", leave);
timelinePart.addEventListener("keydown", key);
view.addEventListener("scroll", () => music && place && light(at()));
for (const name of ["wheel", "touchmove"]) {
  view.addEventListener(name, () => (handled = performance.now()), { passive: true });
}
new ResizeObserver(() => requestAnimationFrame(() => {
  if (!place || place.room !== view.clientWidth) arrange();
})).observe(element);
new MutationObserver(arrange).observe(document.body, { attributeFilter: ["class"] });

watch("value", receive);
receive();
