// Plays the sounds of a piece beside the film's picture, each as loud as it is turned to. mixer.py
// puts this text before that of the mixer; what it plays is written by emsync/sound/mixing.py.
//
// Pieces of a few seconds are fetched and decoded as the film comes to them, and started to the
// sample: so the sounds cannot drift apart, and a film of half an hour takes no more memory than
// one of a minute. The film's picture leads; where its clock and that of the sound card part by
// more than AWAY, all starts anew, with a fade too short to hear.

const TICK = 100; // ms between two looks
const AROUND = [-1, 2]; // pieces that are kept, before and after the one that plays
const AHEAD_OF_TIME = 1.2; // seconds that levels are told to the sound card before they hold
const LEVEL_STEP = 0.05; // seconds between two of them, at most
const SOON = 0.03; // seconds in which what somebody turns has turned
const AWAY = 0.03; // seconds between picture and sound that last
const FAR = 0.2; // seconds between them at which nobody waits whether it lasts
const FADE = 0.02; // seconds in which sounds come and go when the film jumps

/** Returns the place of the first of ascending times that comes after a moment. */
function after(times, seconds) {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] > seconds) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * Returns the factors of music and original sound at a moment of the film.
 *
 * @param sources as mixer.py describes them
 * @param turned {original: "replace", "keep" or "duck", balance: decibels}
 */
function mixAt(sources, turned, seconds) {
  const { levels, speech, ducking, original_gain: kept } = sources;
  const level = ([times, factors]) => {
    const next = Math.min(after(times, seconds), times.length - 1);
    const before = Math.max(next - 1, 0);
    const share = (seconds - times[before]) / (times[next] - times[before] || 1);
    return factors[before] + (factors[next] - factors[before]) * Math.min(Math.max(share, 0), 1);
  };
  const factor = (decibels) => 10 ** (decibels / 20);
  const music = level(levels.music) / sources.scale;
  if (turned.original === "replace" || !sources.names.includes("original")) {
    return { music, original: 0 };
  }
  const isDucked = turned.original === "duck";
  let depth = 0;
  if (isDucked) {
    for (const [start, end] of speech) {
      const [before, past] = [start - seconds, seconds - end];
      depth = Math.max(depth, Math.min(1 - before / ducking.down, 1 - past / ducking.up, 1));
    }
  }
  const original = level(levels.original ?? levels.music) / sources.scale;
  return {
    music: music * factor(turned.balance + depth * ducking.decibels),
    original: original * factor(isDucked ? 0 : kept),
  };
}

/** Returns what plays the sounds in time with a film; nothing is heard of it before `start`. */
function makeMix(find) {
  let video = null; // the element that `find` finds at the start
  let context = null; // made by a press, as browsers ask
  let film = null; // gain of the film's own track: 1 where there is no mix to hear
  let output = null; // of the mix
  let sources = null;
  let turned = { gains: {}, original: "replace", balance: 0 };
  let anchor = null; // {context, film, speed}: the same moment in the seconds of both
  let told = null; // seconds of the film up to which levels were told
  let errors = []; // of the last looks, seconds
  let failures = 0; // to fetch something, since the last time it went well
  const parts = new Map(); // by name: the GainNode of a sound
  const sums = {}; // the GainNodes of music and original
  const pieces = new Map(); // by number: {name: AudioBuffer}, or null while it is coming
  let playing = new Map(); // by number: [{source, fade}, ...]

  function isOn() {
    return video !== null && sources !== null && sources.film !== null
      && video.src === new URL(sources.film, document.baseURI).href;
  }

  // Pieces -------------------------------------------------------------------------------------

  async function load(number) {
    const from = sources;
    pieces.set(number, null);
    const place = String(number).padStart(4, "0");
    try {
      const all = await Promise.all(from.names.map(async (name) => {
        const answer = await fetch(`${from.address}/${name}-${place}.flac`);
        if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
        return [name, await context.decodeAudioData(await answer.arrayBuffer())];
      }));
      failures = 0;
      // Unless it is past by now, or other sounds came; other levels change nothing.
      const isWanted = pieces.has(number) && sources?.address === from.address;
      if (isWanted) pieces.set(number, Object.fromEntries(all));
    } catch {
      // The film's own track is heard meanwhile, and later another try is made, ever more seldom.
      failures += 1;
      setTimeout(() => pieces.get(number) ?? pieces.delete(number), 1000 * 2 ** failures);
    }
  }

  function fetchAround(current) {
    const last = Math.ceil(sources.seconds / sources.chunk) - 1;
    for (const number of pieces.keys()) {
      if (number < current + AROUND[0] || number > current + AROUND[1]) pieces.delete(number);
    }
    for (let number = current; number <= Math.min(current + AROUND[1], last); number += 1) {
      if (!pieces.has(number)) load(number);
    }
  }

  // In time ------------------------------------------------------------------------------------

  /** When a second of the film is to sound, by the sound card's clock. */
  function moment(seconds) {
    return anchor.context + (seconds - anchor.film) / anchor.speed;
  }

  function hush() {
    anchor = null;
    told = null;
    errors = [];
    const now = context.currentTime;
    for (const { source, fade } of [...playing.values()].flat()) {
      fade.gain.setValueAtTime(1, now);
      fade.gain.linearRampToValueAtTime(0, now + FADE);
      source.stop(now + FADE);
    }
    playing = new Map();
  }

  function begin(number) {
    const starts = number * sources.chunk;
    const begun = Object.entries(pieces.get(number)).flatMap(([name, buffer]) => {
      const source = context.createBufferSource();
      source.buffer = buffer;
      source.playbackRate.value = anchor.speed;
      const fade = context.createGain();
      source.connect(fade).connect(parts.get(name));
      const when = moment(starts);
      const late = Math.max(0, context.currentTime + 0.01 - when);
      if (late > 0) {
        fade.gain.setValueAtTime(0, when + late);
        fade.gain.linearRampToValueAtTime(1, when + late + FADE);
      }
      if (late * anchor.speed >= buffer.duration) return [];
      source.start(when + late, late * anchor.speed);
      return [{ source, fade }];
    });
    playing.set(number, begun);
  }

  /** Seconds by which the picture is before the sound. */
  function error() {
    return video.currentTime - (anchor.film + (context.currentTime - anchor.context - latency())
      * anchor.speed);
  }

  function latency() {
    return context.outputLatency || context.baseLatency || 0;
  }

  function isAway() {
    errors = [...errors, error()].slice(-5);
    const middle = [...errors].sort((a, b) => a - b)[errors.length >> 1];
    return Math.abs(errors.at(-1)) > FAR || (errors.length === 5 && Math.abs(middle) > AWAY);
  }

  function look() {
    if (!context) return;
    const isReady = isOn() && sees();
    film.gain.setTargetAtTime(isReady ? 0 : 1, context.currentTime, 0.01);
    output.gain.setTargetAtTime(video.muted ? 0 : video.volume, context.currentTime, 0.01);
    if (!isReady || video.paused || video.seeking || video.ended) {
      hush();
      return;
    }
    if (anchor && (anchor.speed !== video.playbackRate || isAway())) hush();
    if (!anchor) {
      // What is handed over now is heard after the card's own delay.
      const now = context.currentTime - latency();
      anchor = { context: now, film: video.currentTime, speed: video.playbackRate };
    }
    const current = Math.floor(video.currentTime / sources.chunk);
    for (const number of [current, current + 1]) {
      if (pieces.get(number) && !playing.has(number)) begin(number);
    }
    for (const number of playing.keys()) if (number < current) playing.delete(number);
    tell();
  }

  /** Fetches what plays soon; whether what plays now is there. */
  function sees() {
    const end = Math.max(0, sources.seconds - 0.001);
    const current = Math.floor(Math.min(video.currentTime, end) / sources.chunk);
    fetchAround(current);
    return Boolean(pieces.get(current));
  }

  // How loud -----------------------------------------------------------------------------------

  function turn(node, value) {
    const now = context.currentTime;
    node.gain.cancelScheduledValues(now);
    node.gain.setValueAtTime(node.gain.value, now);
    node.gain.linearRampToValueAtTime(value, now + SOON);
  }

  /** Tells the levels of the next second; all anew after something was turned. */
  function tell(anew = false) {
    if (!anchor) return;
    const film = anchor.film + (context.currentTime - anchor.context) * anchor.speed;
    if (anew || told === null || told < film) {
      told = film + SOON * anchor.speed;
      const factors = mixAt(sources, turned, told);
      for (const sum of ["music", "original"]) turn(sums[sum], factors[sum]);
    }
    while (told < film + AHEAD_OF_TIME * anchor.speed) {
      const { music, original } = sources.levels;
      const changes = [music, original ?? music].map(([times]) => times[after(times, told)]);
      told = Math.min(told + LEVEL_STEP * anchor.speed, ...changes.filter(Boolean));
      const factors = mixAt(sources, turned, told);
      for (const sum of ["music", "original"]) {
        sums[sum].gain.linearRampToValueAtTime(factors[sum], moment(told));
      }
    }
  }

  function connect() {
    for (const part of parts.values()) part.disconnect();
    parts.clear();
    for (const name of sources?.names ?? []) {
      const part = context.createGain();
      part.gain.value = turned.gains[name] ?? 1;
      part.connect(name === "original" ? sums.original : sums.music);
      parts.set(name, part);
    }
  }

  return {
    /** To be called from a press. The film is heard through the mix from then on. */
    async start() {
      if (!context) {
        video = find();
        context = new AudioContext();
        film = context.createGain();
        context.createMediaElementSource(video).connect(film).connect(context.destination);
        output = context.createGain();
        output.connect(context.destination);
        for (const sum of ["music", "original"]) {
          sums[sum] = context.createGain();
          sums[sum].gain.value = 0;
          sums[sum].connect(output);
        }
        for (const name of ["play", "playing", "pause", "seeking", "seeked", "ratechange",
          "volumechange", "emptied", "loadedmetadata", "ended"]) {
          video.addEventListener(name, look);
        }
        video.addEventListener("play", () => context.resume());
        setInterval(look, TICK);
        connect();
      }
      await context.resume();
    },
    /** Other sounds, or null; or the same with other levels. */
    set(news) {
      const isSame = sources && news && sources.address === news.address;
      sources = news;
      if (!context) return;
      if (!isSame) {
        hush();
        pieces.clear();
        connect();
      }
      look();
      tell(true);
    },
    /** Turns sounds up and down: {gains: {name: factor}, original, balance}. */
    turn(news) {
      turned = news;
      if (!context) return;
      for (const [name, part] of parts) turn(part, turned.gains[name] ?? 1);
      tell(true);
    },
    isOn,
    isStarted() {
      return context !== null;
    },
    /** For tests. */
    get inside() {
      const at = (seconds) => mixAt(sources, turned, seconds);
      const now = anchor && error();
      return { context, film, output, parts, pieces, sources, turned, at, error: now };
    },
  };
}
