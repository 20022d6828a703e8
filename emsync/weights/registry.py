"""Pretrained weights of others that this program knows of: where they are, and what they are.

The hashes and sizes are those that the sources publish, or that independent projects which pin the
same file agree on. Where neither was to be had there is None.
"""

from collections.abc import Mapping
from dataclasses import dataclass

PROFILES: Mapping[str, str] = {
    "standard": "what a computer with two cores can bear",
    "small": "the least that sees, hears and reads; sentiment by a list of words",
    "all": "everything, larger models included",
}

PACKAGES: Mapping[str, str] = {"paddle": "PaddlePaddle (built for Python 3.11 to 3.13)"}
"""Packages that read weights and are not built for every Python, by their names for `import`."""


@dataclass(frozen=True)
class File:
    """One file of weights.

    Attributes:
        path: in the folder of the weights, with forward slashes.
        urls: where it can be had, tried in this order.
        bytes: its size; None where it is not known in advance.
        sha256: in hexadecimal digits; None where it is not known in advance.
    """

    path: str
    urls: tuple[str, ...]
    bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Weights:
    """Weights that an expert or the fusion loads.

    Attributes:
        name: in `REGISTRY`, and of their folder.
        title: as their authors call them.
        purpose: what this program uses them for.
        page: where to read about them.
        licence: as the source states it.
        files: all that is needed; nothing else of the source is fetched.
        profiles: names in `PROFILES` that they belong to, besides "all".
        about: bytes, roughly, of the files whose size is not known in advance.
        package: what reads them, one of `PACKAGES`; empty if it is to be had for every Python.
    """

    name: str
    title: str
    purpose: str
    page: str
    licence: str
    files: tuple[File, ...]
    profiles: tuple[str, ...] = ()
    about: int = 0
    package: str = ""

    @property
    def bytes(self) -> int:
        """Return the size of all files; exact unless `about` is given."""
        return self.about + sum(file.bytes or 0 for file in self.files)


def _hub(repository: str, revision: str, path: str) -> str:
    return f"https://huggingface.co/{repository}/resolve/{revision}/{path}"


def _whisper(size: str, sha256: str, length: int, *profiles: str) -> Weights:
    path = f"main/whisper/models/{sha256}/{size}.pt"  # as openai-whisper itself names it
    hosts = ("openaipublic.azureedge.net", "openaipublic.blob.core.windows.net")
    urls = tuple(f"https://{host}/{path}" for host in hosts)
    return Weights(
        f"whisper-{size}",
        f"OpenAI Whisper {size}",
        "speech to English text",
        "https://github.com/openai/whisper",
        "MIT",
        (File(f"{size}.pt", urls, length, sha256),),
        profiles,
    )


def _ocr(
    name: str, model: str, revision: str, purpose: str, *files: tuple[str, int, str]
) -> Weights:
    repository = f"PaddlePaddle/{model}"
    return Weights(
        name,
        model,
        purpose,
        f"https://huggingface.co/{repository}",
        "Apache-2.0",
        tuple(
            File(path, (_hub(repository, revision, path),), length, sha256)
            for path, length, sha256 in files
        ),
        ("standard", "small"),
        package="paddle",
    )


_CLIP = "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"
_BEATS = "BEATs_iter3_plus_AS2M_finetuned_on_AS2M_cpt2.pt"
_YOLO = "yolov11m-face.pt"
_FACE = ("trpakov/vit-face-expression", "ef0bc6fc34241b6587e7e009e7711357be28c024")
_ROBERTA = (
    "cardiffnlp/twitter-roberta-base-sentiment-latest",
    "3216a57f2a0d9c45a2e6c20157c20c49fb4bf9c7",
)
_CLIP_LARGE = "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02"
_VIDEO2MUSIC = ("spaces/amaai-lab/video2music", "4e46a55d839cf1bf7896ec6a233d41fe6c43538d")
_NLLB = ("facebook/nllb-200-distilled-600M", "f8d333a098d19b4fd9a8b18f94170487ad3f821d")

_ALL = (
    Weights(
        "clip-vit-b-32",
        "OpenAI CLIP ViT-B/32",
        "what is to be seen",
        "https://github.com/openai/CLIP",
        "MIT",
        (
            File(
                "ViT-B-32.pt",
                (f"https://openaipublic.azureedge.net/clip/models/{_CLIP}/ViT-B-32.pt",),
                353_976_522,
                _CLIP,
            ),
        ),
        ("standard", "small"),
    ),
    Weights(
        "beats",
        "BEATs iter3+ (AS2M, fine-tuned, cpt2)",
        "what is to be heard",
        "https://github.com/microsoft/unilm/tree/master/beats",
        "MIT",
        (
            # Microsoft shares it through OneDrive, which a program cannot fetch from. The first
            # copy is where VEMOCLAP's authors take it from; SHA-256 says that all are the same.
            File(
                _BEATS,
                (
                    _hub(
                        f"WeiChihChen/{_BEATS.removesuffix('.pt')}",
                        "172e4071a2912392d9151c70750b9a12f55fc54e",
                        _BEATS,
                    ),
                    _hub("THUdyh/Ola_speech_encoders", "main", _BEATS),
                    _hub("SaraAlthubaiti/TinyOctopus", "main", _BEATS),
                ),
                363_145_291,
                "e5815275a04b6885e7b8af63d120b29bffae2cd2225cf4915e1ec6d819d3022c",
            ),
        ),
        ("standard",),
    ),
    Weights(
        "yolo-face",
        "YOLO11m-face",
        "where faces are",
        "https://github.com/akanametov/yolo-face",
        "GPL-3.0 by its publisher; made with Ultralytics YOLO11, which is AGPL-3.0",
        (
            File(
                _YOLO,
                tuple(
                    f"https://github.com/{owner}/yolo-face/releases/download/1.0.0/{_YOLO}"
                    for owner in ("akanametov", "YapaLab")  # moved from the one to the other
                ),
                40_499_429,
                "6ccbe920c1fac95ed84de570519e89fbe24d326d466a7aae297960b3ecc6c661",
            ),
        ),
        ("standard",),
    ),
    Weights(
        "face-expression",
        "ViT face expression (FER2013)",
        "the expression of faces",
        f"https://huggingface.co/{_FACE[0]}",
        "Apache-2.0",
        (
            File("config.json", (_hub(*_FACE, "config.json"),), 915),
            File("preprocessor_config.json", (_hub(*_FACE, "preprocessor_config.json"),), 228),
            File(
                "model.safetensors",
                (_hub(*_FACE, "model.safetensors"),),
                None,
                "48acf03b1fd90ea45c5e91eb3be2f364cee1c1342639962bd4eae1eac2ad2f93",
            ),
        ),
        ("standard",),
        about=343_000_000,
    ),
    _whisper(
        "tiny",
        "65147644a518d12f04e32d6f3b26facc3f8dd46e5390956a9424a650c0ce22b9",
        75_572_083,
        "small",
    ),
    _whisper(
        "base",
        "ed3a0b6b1c0edf879ad9b11b1af5a0e6ab5db9205f891f668f8b0e6c6326e34e",
        145_262_807,
        "standard",
    ),
    _whisper(
        "small",
        "9ecf779972d90ba49c06d968637d720dd632c55bbf19d441fb42bf17a411e794",
        483_617_219,
    ),
    _whisper(
        "medium",
        "345ae4da62f9b3d59415adc60127b97c714f32e89e936602e85993674d08dcb1",
        1_528_008_539,
    ),
    _whisper(
        "large-v3-turbo",
        "aff26ae408abcba5fbf8813c21e62b0941638c5f6eebfb145be0c9839262a19a",
        1_617_941_637,
    ),
    Weights(
        "sentiment",
        "Twitter-RoBERTa base sentiment (TimeLMs)",
        "how what is said and written feels",
        f"https://huggingface.co/{_ROBERTA[0]}",
        "CC-BY-4.0",
        (
            File(
                "config.json",
                (_hub(*_ROBERTA, "config.json"),),
                929,
                "d2fba19997da698157196ba16f5fcb30a97a7551cef6845a0f3d743ee19c6129",
            ),
            # Two hashes of this one are in use, so none of them is taken for granted.
            File("vocab.json", (_hub(*_ROBERTA, "vocab.json"),)),
            File(
                "merges.txt",
                (_hub(*_ROBERTA, "merges.txt"),),
                456_318,
                "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
            ),
            File(
                "special_tokens_map.json",
                (_hub(*_ROBERTA, "special_tokens_map.json"),),
                239,
                "378eb3bf733eb16e65792d7e3fda5b8a4631387ca04d2015199c4d4f22ae554d",
            ),
            File(
                "pytorch_model.bin",
                (_hub(*_ROBERTA, "pytorch_model.bin"),),
                501_045_531,
                "4d24a3e32a88ed1c4e5b789fc6644e2e767500554e954b27dccf52a8e762cbae",
            ),
        ),
        ("standard",),
        about=899_000,
    ),
    _ocr(
        "ocr-detection",
        "PP-OCRv5_mobile_det",
        "0d63e78e2b680928f6b1747d76a08db6e645efb7",
        "where text is",
        (
            "inference.json",
            229_777,
            "05feef1acb00aa4cd7362b15f7f501fc4f99d7b1fa73c1c871e0c7b1504b0f5c",
        ),
        (
            "inference.pdiparams",
            4_692_937,
            "afa1820cb16c1fd0dad589d0f8b389139061c1ef6d68019685fd07be997dda5b",
        ),
        (
            "inference.yml",
            903,
            "98069072e1b6b37d727fd9d9f11725faa46d6ea0de012f2ed26caea011c37699",
        ),
    ),
    _ocr(
        "ocr-recognition",
        "PP-OCRv5_mobile_rec",
        "682f20538d8c086cb2128e5cfac775e6c4904e85",
        "what text says",
        (
            "inference.json",
            217_724,
            "24587345250c7332d0fc6f9a44e794d078cdaeb64c302fef906f325619de2569",
        ),
        (
            "inference.pdiparams",
            16_458_665,
            "2460da90875937c94db97eba74ae3d9e5d4c4c57c42f1f41531c09a26bcc771a",
        ),
        (
            "inference.yml",
            148_345,
            "5dfeb2777f6d0db8177d8128a8acfcf6e6276dc4ac73ea3bf0dc06d6a5e85d8e",
        ),
    ),
    Weights(
        "translation",
        "NLLB-200 distilled 600M",
        "screen text to English",
        f"https://huggingface.co/{_NLLB[0]}",
        "CC-BY-NC-4.0: not for commercial use",
        (
            File(
                "config.json",
                (_hub(*_NLLB, "config.json"),),
                846,
                "f9b4081d3d108e9d06532ea8d92b932c04ed3a15ff2f87e6982f8e14db51fbc5",
            ),
            File("generation_config.json", (_hub(*_NLLB, "generation_config.json"),), 189),
            File("special_tokens_map.json", (_hub(*_NLLB, "special_tokens_map.json"),), 3548),
            File("tokenizer_config.json", (_hub(*_NLLB, "tokenizer_config.json"),), 564),
            File(
                "tokenizer.json",
                (_hub(*_NLLB, "tokenizer.json"),),
                17_331_176,
                "e316b82de11d0f951f370943b3c438311629547285129b0b81dadabd01bca665",
            ),
            File(
                "sentencepiece.bpe.model",
                (_hub(*_NLLB, "sentencepiece.bpe.model"),),
                4_852_054,
                "14bb8dfb35c0ffdea7bc01e56cea38b9e3d5efcdcb9c251d6b40538e1aab555a",
            ),
            File(
                "pytorch_model.bin",
                (_hub(*_NLLB, "pytorch_model.bin"),),
                2_460_457_927,
                "c266c2cfd19758b6d09c1fc31ecdf1e485509035f6b51dfe84f1ada83eefcc42",
            ),
        ),
    ),
    Weights(
        "vemoclap",
        "VEMOCLAP's fusion",
        "one emotion out of what all experts found",
        "https://github.com/serkansulun/video-emotion",
        # Which is why no profile but "all" holds them: nobody gets them without asking.
        "not stated for the weights; the code that they come with is GPL-3.0",
        (
            # The address at which Google Drive gives a file without asking back; the id stands in
            # the code of EMSYNC's demo (github.com/em-sync/emsync-colab).
            File(
                "video_model.pt",
                (
                    "https://drive.usercontent.google.com/download"
                    "?id=11aaWCbhcccW_lTaUqKqux2h-nNAfIYCi&export=download&confirm=t",
                ),
            ),
            File(
                "stats.pt",
                (
                    "https://raw.githubusercontent.com/serkansulun/video-emotion/"
                    "c99015ee0c09cddc168eb3ee40e2a47f666fe70a/stats.pt",
                ),
            ),
        ),
        about=41_000_000,
    ),
    Weights(
        "video2music",
        "Video2Music: affective multimodal transformer and biGRU",
        "the second composer: chords, loudness and note density",
        "https://github.com/AMAAI-Lab/Video2Music",
        "MIT by its authors; the Hugging Face Space that holds the files is marked Apache-2.0",
        tuple(
            File(path, (_hub(*_VIDEO2MUSIC, f"saved_models/AMT/{path}"),))
            for path in ("best_loss_weights.pickle", "best_rmse_weights.pickle")
        ),
        about=136_500_000,
    ),
    Weights(
        "clip-vit-l-14-336",
        "OpenAI CLIP ViT-L/14@336px",
        "what the second composer sees",
        "https://github.com/openai/CLIP",
        "MIT",
        (
            File(
                "ViT-L-14-336px.pt",
                (
                    "https://openaipublic.azureedge.net/clip/models/"
                    f"{_CLIP_LARGE}/ViT-L-14-336px.pt",
                ),
                None,
                _CLIP_LARGE,
            ),
        ),
        about=934_000_000,
    ),
)

REGISTRY: dict[str, Weights] = {weights.name: weights for weights in _ALL}
"""All weights by name."""
