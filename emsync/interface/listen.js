// A small sampler: plays the notes of a piece while it is written. player.py puts this text before
// that of the player; what it plays is in preview/, made by scripts/preview_sounds.py.

const AHEAD = 1; // seconds that notes are handed to the sound card before they sound
const LOOK = 200; // ms between two looks for notes to hand over
const LATE = 0.12; // seconds by which a note that was just written may be late and still begin
const JUMP = 0.15; // seconds that the film may be elsewhere than expected before all begins anew
const TAIL = 0.12; // seconds in which a note fades when it ends
const LOUD = 0.35; // of one note, so that many at once do not clip

/**
 * Returns a sampler.
 *
 * @param address folder of sounds.json and sounds.flac
 * @param now returns [seconds of the film that are shown, its speed]; null while it stands still
 * @param notes returns what is written: [[group, pitch, start, end], ...], group by its name
 */
function makeSampler(address, now, notes) {
  let context = null; // made by a press, as browsers ask
  let sounds = null; // by group: [{pitch, start, seconds, loop}, ...] by pitch
  let samples = null; // one AudioBuffer of all
  let output = null; // of the notes that sound now; another one after a jump
  let timer = 0;
  let anchor = null; // {context, film, speed}: the same moment in the seconds of both
  const given = new Set(); // notes that were handed over since the last jump

  async function load() {
    const parts = await Promise.all(["sounds.json", "sounds.flac"].map(async (name) => {
      const answer = await fetch(`${address}/${name}`);
      if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
      return name.endsWith("json") ? answer.json() : answer.arrayBuffer();
    }));
    samples = await context.decodeAudioData(parts[1]);
    sounds = new Map();
    for (const one of parts[0]) sounds.set(one.group, [...(sounds.get(one.group) ?? []), one]);
  }

  /** Ends what sounds, quickly but without a click. */
  function hush() {
    given.clear();
    anchor = null;
    if (!output) return;
    const old = output;
    old.gain.setTargetAtTime(0, context.currentTime, 0.02);
    setTimeout(() => old.disconnect(), 200);
    output = null;
  }

  function look() {
    const playing = now();
    if (playing === null) {
      hush();
      return;
    }
    const [film, speed] = playing;
    const moment = context.currentTime;
    const expected = anchor && anchor.film + (moment - anchor.context) * speed;
    if (anchor === null || anchor.speed !== speed || Math.abs(film - expected) > JUMP) {
      hush();
      output = context.createGain();
      output.gain.value = LOUD;
      output.connect(context.destination);
      anchor = { context: moment, film, speed };
    }
    for (const [group, pitch, start, end] of notes()) {
      // What is held goes on sounding; what was struck long ago is not struck again.
      const since = isHeld(group) ? end : start;
      if (since < film - LATE || start > film + AHEAD * speed) continue;
      const key = `${group} ${pitch} ${start}`;
      if (given.has(key)) continue;
      given.add(key);
      const from = Math.max(start, film);
      sound(group, pitch, anchor.context + (from - anchor.film) / speed, (end - from) / speed);
    }
  }

  function isHeld(group) {
    return Boolean(sounds.get(group)?.[0].loop);
  }

  function sound(group, pitch, when, seconds) {
    const near = sounds.get(group)?.reduce(
      (a, b) => (Math.abs(b.pitch - pitch) < Math.abs(a.pitch - pitch) ? b : a),
    );
    if (!near) return;
    const isDrum = group === "drums";
    const rate = isDrum ? 1 : 2 ** ((pitch - near.pitch) / 12);
    const source = context.createBufferSource();
    source.buffer = samples;
    source.playbackRate.value = rate;
    // As long as the sample lasts where it does not go round.
    const lasting = near.loop ? seconds : Math.min(seconds, near.seconds / rate - TAIL);
    const ending = when + (isDrum ? near.seconds : Math.max(lasting, 0.05));
    if (near.loop) {
      source.loop = true;
      [source.loopStart, source.loopEnd] = near.loop.map((second) => near.start + second);
    }
    const gain = context.createGain();
    gain.gain.setValueAtTime(1, ending);
    gain.gain.linearRampToValueAtTime(0, ending + TAIL);
    source.connect(gain).connect(output);
    source.start(when, near.start);
    source.stop(ending + TAIL);
  }

  return {
    /** To be called from a press. Resolves when it is ready; rejects where that is impossible. */
    async start() {
      context ??= new AudioContext();
      await context.resume();
      if (!samples) await load();
      clearInterval(timer);
      timer = setInterval(look, LOOK);
      look();
    },
    stop() {
      clearInterval(timer);
      if (context) hush();
      context?.suspend();
    },
    /** How many notes were handed over since the last jump, and how loud it is, for tests. */
    get given() {
      return given.size;
    },
    get output() {
      return output;
    },
  };
}
