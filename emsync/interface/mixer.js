// The mixer in the browser. Gradio runs this text as the body of a function whose arguments are
// element, trigger, props and watch; mixer.py says what props.value and the news hold.

const MUTED = -60; // decibels, as emsync/settings.py has it
const SETTLED = 400; // ms after the last change in which the level is asked for
// Downloads that are made of the mix; those of a second press are made anew by a first one.
const DOWNLOADS = "#em-film-file, #em-wav, #em-json, #em-pack, #em-zip, [id^='em-stem-']";
const PACKED = /^em-(zip|stem-)/;
const ORDER = ["piano", "guitar", "strings", "bass", "drums"];

const part = (name) => element.querySelector(`[data-part="${name}"]`);
const mix = makeMix(() => document.querySelector("#em-stage video"));
const rows = new Map(); // by group: {mute, solo, slider, told}

let shown = { can: false, busy: false, words: "", sources: null, made: null, dirty: false };
let volumes = {}; // decibels by group; 0 where none is given
let muted = new Set();
let solo = new Set();
let asked = null; // id of the download that waits for the film to be written anew
let timer = 0;

// What is turned -------------------------------------------------------------------------------

/** Decibels of each group as they are heard, without those that are as they are played. */
function gains() {
  const found = {};
  for (const group of ORDER) {
    const isSilent = muted.has(group) || (solo.size > 0 && !solo.has(group));
    const decibels = isSilent ? MUTED : volumes[group] ?? 0;
    if (decibels !== 0) found[group] = decibels;
  }
  return found;
}

/** What the page's own controls say, which stand above. */
function others() {
  const original = document.querySelector("#em-original-sound input[aria-checked='true']");
  const balance = document.querySelector("#em-balance input[type='range']");
  return { original: original?.value ?? "replace", balance: Number(balance?.value ?? 0) };
}

function turn(now = others()) {
  const factor = (decibels) => (decibels <= MUTED ? 0 : 10 ** (decibels / 20));
  const factors = Object.entries(gains()).map(([group, value]) => [group, factor(value)]);
  mix.turn({ gains: Object.fromEntries(factors), ...now });
}

function hasSounds() {
  return shown.sources !== null;
}

/** Puts what is turned where Python finds it with the next event. */
function send() {
  props.value = JSON.stringify({ gains: gains(), live: hasSounds() && mix.isStarted() });
}

/** Whether the film sounds otherwise than what is heard here. */
function isChanged() {
  const { made } = shown;
  if (!hasSounds() || !made) return false;
  const sorted = (all) => JSON.stringify(Object.entries(all).sort());
  const now = others();
  const isBalanced = now.original === "replace" || now.balance === made.balance;
  return shown.dirty || sorted(gains()) !== sorted(made.gains) || now.original !== made.original
    || !isBalanced;
}

/** Something was turned: it is heard at once, and the level that follows from it soon. */
function turned(now) {
  // Whoever turns something wants to hear it; browsers ask for a press before they play.
  if (hasSounds()) mix.start().catch(() => {});
  send();
  if (!hasSounds()) return;
  turn(now);
  draw();
  clearTimeout(timer);
  timer = setTimeout(() => {
    send();
    trigger("level");
  }, SETTLED);
}

// Values ---------------------------------------------------------------------------------------

/** Gains from Python, from a preset or a take; what comes of what is set here changes nothing. */
function receiveGains() {
  const news = JSON.parse(props.value || "{}").gains ?? {};
  const sorted = (all) => JSON.stringify(Object.entries(all).sort());
  if (sorted(news) === sorted(gains())) return;
  solo = new Set();
  muted = new Set(Object.keys(news).filter((group) => news[group] <= MUTED));
  volumes = Object.fromEntries(Object.entries(news).filter(([, value]) => value > MUTED));
  send();
  turn();
  draw();
}

function receive() {
  const news = JSON.parse(window.emMixNews || "{}");
  const { sources, levels, ...rest } = news;
  Object.assign(shown, rest);
  if ("sources" in news) {
    const before = shown.sources;
    shown.sources = sources;
    // Of the same sounds the levels hold until others come.
    if (sources && before?.address === sources.address) sources.levels ??= before.levels;
  }
  if (levels && shown.sources) shown.sources.levels = levels;
  send();
  const film = news.film ?? shown.film;
  mix.set(shown.sources?.levels ? { ...shown.sources, film } : null);
  turn();
  draw();
  if (sources && !levels) trigger("level");
  if (asked && !isChanged()) save(film, 50);
  else if ("film" in news) asked = null;
}

/** Goes on with a download once the page has the film that was written anew. */
function save(film, left) {
  const address = new URL(film, document.baseURI).href;
  if (document.querySelector("#em-film-file")?.href === address) {
    const link = document.getElementById(asked);
    asked = null;
    link?.click();
  } else if (left) setTimeout(save, 100, film, left - 1);
}

// What is seen ---------------------------------------------------------------------------------

function row(group) {
  const made = part("row").content.firstElementChild.cloneNode(true);
  const [mute, solos, slider, told] = [".mute", ".solo", "input", "output"].map(
    (one) => made.querySelector(one),
  );
  made.dataset.group = group;
  made.setAttribute("aria-label", group);
  made.querySelector(".name").append(group);
  mute.setAttribute("aria-label", `Mute ${group}`);
  solos.setAttribute("aria-label", `Hear ${group} alone`);
  slider.setAttribute("aria-label", `Volume of ${group} in decibels`);
  const flip = (set) => {
    if (!set.delete(group)) set.add(group);
    turned();
  };
  mute.addEventListener("click", () => flip(muted));
  solos.addEventListener("click", () => flip(solo));
  slider.addEventListener("input", () => {
    volumes[group] = Number(slider.value);
    turned();
  });
  slider.addEventListener("dblclick", () => {
    volumes[group] = 0;
    turned();
  });
  rows.set(group, { mute, solo: solos, slider, told, made });
  return made;
}

function signed(decibels) {
  if (decibels === 0) return "0 dB";
  return `${decibels < 0 ? "−" : "+"}${Math.abs(decibels)} dB`;
}

function draw() {
  const { sources } = shown;
  part("mixer").hidden = !shown.can;
  part("open").hidden = hasSounds();
  part("open").disabled = shown.busy;
  part("rows").hidden = part("back").hidden = !hasSounds();
  const names = ORDER.filter((group) => sources?.names.includes(group));
  if (names.join() !== [...rows.keys()].join()) {
    rows.clear();
    part("rows").replaceChildren(...names.map(row));
  }
  const heard = gains();
  for (const [group, { mute, solo: solos, slider, told, made }] of rows) {
    mute.setAttribute("aria-pressed", String(muted.has(group)));
    solos.setAttribute("aria-pressed", String(solo.has(group)));
    const volume = volumes[group] ?? 0;
    if (Number(slider.value) !== volume) slider.value = volume;
    slider.setAttribute("aria-valuetext", signed(volume));
    told.textContent = heard[group] === MUTED ? "silent" : signed(volume);
    made.classList.toggle("silent", heard[group] === MUTED);
  }
  part("back").disabled = Object.keys(heard).length === 0 && solo.size === 0;
  // What was set for an earlier take holds for this one as well, and must not be a riddle.
  const set = Object.entries(heard).map(
    ([group, decibels]) => `${group} ${decibels <= MUTED ? "silent" : signed(decibels)}`,
  );
  const start = set.length ? `As you set it: ${set.join(", ")}. Mix the groups to change that.`
    : "Turn each group up or down and hear it at once.";
  const mixed = isChanged() ? "You hear your mix. The film is written with it when you download it."
    : "You hear the film as it is. Turn anything, and hear it at once.";
  const words = shown.words || (hasSounds() ? mixed : start);
  if (part("words").textContent !== words) part("words").textContent = words;
  const size = document.querySelector("#em-film-file small");
  if (size) {
    size.dataset.size ??= size.textContent;
    size.textContent = isChanged() ? "with this mix" : size.dataset.size;
  }
}

// Hands ----------------------------------------------------------------------------------------

part("open").addEventListener("click", () => {
  mix.start().catch(() => {});
  trigger("prepare");
});
part("back").addEventListener("click", () => {
  [volumes, muted, solo] = [{}, new Set(), new Set()];
  turned();
});
// The page's own controls of the original sound, before Python hears of them.
for (const name of ["input", "change"]) {
  document.addEventListener(name, ({ target }) => {
    if (!hasSounds() || !(target instanceof HTMLInputElement)) return;
    if (target.closest("#em-original-sound")) turned({ ...others(), original: target.value });
    else if (target.closest("#em-balance")) turned({ ...others(), balance: Number(target.value) });
  }, true);
}
// A film that sounds otherwise is written anew before it is given away.
document.addEventListener("click", (event) => {
  const download = event.target.closest?.(DOWNLOADS);
  if (!download || !isChanged()) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  asked = PACKED.test(download.id) ? "em-pack" : download.id;
  send();
  trigger("remix");
}, true);

watch("value", receiveGains);
addEventListener("em-mix", receive);
receiveGains();
receive(); // it may have come while this was not on the page
window.emMix = mix; // for tests
