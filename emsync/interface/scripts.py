"""Scripts that run in the browser after an event: where the page scrolls, and what has the focus.

What came of the event stands in `data-outcome` of the status (`emsync.interface.records.Outcome`);
no script reads the sentence.
"""

from emsync.interface.records import Outcome

WHOLE_ADDRESS = "text => text.startsWith('?') ? location.origin + location.pathname + text : text"

# The keyboard's focus goes where the eye goes, if what had it is gone.
_GO = """
const go = (to, focus, block = "start") => {
  const part = document.querySelector(to);
  const top = part?.getBoundingClientRect().top ?? 0;
  if (block !== "start" || top < 0 || top > innerHeight / 3)
    part?.scrollIntoView({ behavior: "smooth", block });
  if (focus && window.emKeys && [document.body, null].includes(document.activeElement))
    document.querySelector(focus)?.focus({ preventScroll: true });
};
const outcome = document.querySelector("#em-status [data-outcome]")?.dataset.outcome;
"""
PLAY = f"""() => {{ {_GO}
  document.body.classList.remove("em-choosing");
  go("#em-left", "#em-stage [role=slider]");
  document.querySelector("#em-stage video")?.play().catch(() => {{}});
}}"""
"""Browsers may refuse to play what no press asked for; the player's own button stays."""
TO_THE_PLAYER = f"""() => {{ {_GO}
  if (!["{Outcome.SCORED}", "{Outcome.ADDED}", "{Outcome.SHOWN}"].includes(outcome)) return;
  go("#em-left", "#em-stage [role=slider]");
  document.querySelector("#em-stage video")?.play().catch(() => {{}});
}}"""
TO_THE_STATUS = f'() => {{ {_GO} setTimeout(() => go("#em-status", null, "center"), 100); }}'
TO_COMPOSE = f"""() => {{ {_GO}
  document.body.classList.remove("em-choosing");
  setTimeout(() => go("#em-left", "#em-compose"), 100);
}}"""
TO_CHORDS = """() => {
  const field = document.querySelector("#em-chords textarea, #em-chords input");
  field?.focus();
  field?.setSelectionRange(0, 0);
}"""
PRESSED = f"""() => {{ {_GO}
  document.querySelector("#em-stage video")?.pause();
  go("#em-left", null);
  setTimeout(() => go("#em-left", "#em-cancel"), 900);
  return '<div class="em-busy"><p class="em-percent">0%</p><p role="status">Starting …</p></div>';
}}"""
TO_THE_DROP_ZONE = """() => {
  document.querySelector("#em-stage video")?.pause();
  document.body.classList.add("em-choosing");
  scrollTo(0, 0);
}"""
BACK_TO_THE_FILM = '() => document.body.classList.remove("em-choosing")'
AFTER_LOADING = f"""() => {{ {_GO}
  if (outcome === "{Outcome.REFUSED}") go("#em-status", null, "center");
  else if (outcome === "{Outcome.FOUND}") go("#em-left", null);
}}"""
SAVE_THE_ZIP = """() => {
  const save = (left) => {
    const link = document.querySelector("#em-zip");
    if (link) link.click();
    else if (left) setTimeout(save, 100, left - 1);
  };
  save(30);
}"""

TAKE_IN_ADDRESS = """
const note = () => {
  const here = new URL(location.href);
  if ((here.searchParams.get("take") || "") === (props.value || "")) return;
  if (props.value) here.searchParams.set("take", props.value);
  else here.searchParams.delete("take");
  history.replaceState(null, "", here);
};
watch("value", note);
"""
"""The address bar names the take, so that a page that was closed or reloaded finds it again."""
