// The camera in the browser. Gradio runs this text as the body of a function whose arguments are
// element and props among others.

const part = (name) => element.querySelector(`[data-part="${name}"]`);
const [live, words, key, off] = ["live", "words", "key", "off"].map(part);
const KINDS = ["video/mp4;codecs=avc1,mp4a.40.2", "video/webm;codecs=vp9,opus", "video/webm", ""];
const WHY = {
  NotAllowedError: "The browser does not allow the camera here. Allow it beside the address.",
  NotFoundError: "There is no camera.",
  NotReadableError: "The camera is in use elsewhere.",
};
let stream = null;
let recorder = null;
let began = 0; // ms
let clock = 0; // of the time that is shown while it records

function say(sentence) {
  words.textContent = sentence;
}

function show() {
  const recording = recorder !== null;
  live.hidden = stream === null;
  off.hidden = stream === null || recording;
  key.classList.toggle("recording", recording);
  const seconds = Math.floor((performance.now() - began) / 1000);
  const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  key.textContent = recording ? `Stop · ${time}` : stream ? "Record" : "Turn on the camera";
}

async function turnOn() {
  if (!navigator.mediaDevices) {
    say("Browsers show the camera only to pages with https, or on this machine.");
    return;
  }
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: true })
      // Without a microphone, or where only that is refused, the picture alone.
      .catch(() => navigator.mediaDevices.getUserMedia({ video: true }));
  } catch (problem) {
    say(WHY[problem.name] ?? `The camera does not work: ${problem.message}`);
    return;
  }
  live.srcObject = stream;
  live.play().catch(() => {});
  say("Nothing leaves this device until you stop the recording.");
  show();
}

function turnOff() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  live.srcObject = null;
  show();
}

function record() {
  const mimeType = KINDS.find((kind) => !kind || MediaRecorder.isTypeSupported(kind));
  const pieces = [];
  recorder = new MediaRecorder(stream, mimeType ? { mimeType } : {});
  recorder.addEventListener("dataavailable", (event) => pieces.push(event.data));
  recorder.addEventListener("stop", () => {
    const type = (recorder.mimeType || "video/webm").split(";")[0];
    recorder = null;
    clearInterval(clock);
    turnOff();
    bring(new File(pieces, `recording.${type === "video/mp4" ? "mp4" : "webm"}`, { type }));
  });
  began = performance.now();
  recorder.start(1000);
  clock = setInterval(show, 250);
  show();
}

/** Drops a film into the drop zone, as if it came from a folder. */
function bring(film) {
  const field = document.querySelector(props.drop_zone);
  if (!field) {
    say("The drop zone is busy. Reload the page and record again.");
    return;
  }
  const dropped = new DataTransfer();
  dropped.items.add(film);
  field.files = dropped.files;
  field.dispatchEvent(new Event("change", { bubbles: true }));
}

key.addEventListener("click", () => {
  if (recorder) recorder.stop();
  else if (stream) record();
  else turnOn();
});
off.addEventListener("click", turnOff);
// Who looks elsewhere is not filmed.
new IntersectionObserver(([seen]) => {
  if (!seen.isIntersecting && stream && !recorder) turnOff();
}).observe(element);
show();
