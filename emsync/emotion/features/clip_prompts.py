"""The words with which CLIP's pictures are compared: what a film shows, and how it feels.

All of them are ours. None has been measured on labelled stills.
"""

from dataclasses import dataclass

MOOD_TEMPLATES = ("a {} scene of a film.", "a film still with a {} mood.", "a {} photo.")
CONTENT_TEMPLATES = ("a film still of {}.", "a photo of {}.")
SCENE_TEMPLATE = "a photo of {}."
"""The paper's template for what a picture shows."""


@dataclass(frozen=True)
class Prompts:
    """How a class is described; every class in as many words, so that none gains by its wording.

    Attributes:
        moods: adjectives, for `MOOD_TEMPLATES`.
        contents: what such a picture may show, for `CONTENT_TEMPLATES`.
    """

    moods: tuple[str, ...]
    contents: tuple[str, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """All descriptions."""
        return (
            *(template.format(mood) for template in MOOD_TEMPLATES for mood in self.moods),
            *(template.format(one) for template in CONTENT_TEMPLATES for one in self.contents),
        )


CLASSES: dict[str, Prompts] = {
    "anger": Prompts(
        ("angry", "furious", "aggressive"),
        (
            "an angry person shouting",
            "people in a heated argument",
            "a violent fight",
            "a furious face with clenched teeth",
            "an angry mob",
            "someone smashing things in rage",
        ),
    ),
    "disgust": Prompts(
        ("disgusting", "gross", "repulsive"),
        (
            "a person wrinkling the nose in disgust",
            "rotten food with mould",
            "a filthy toilet",
            "a heap of stinking garbage",
            "someone vomiting",
            "maggots and cockroaches",
        ),
    ),
    "fear": Prompts(
        ("frightening", "scary", "tense"),
        (
            "a terrified person screaming",
            "someone hiding from danger in the dark",
            "a monster in a horror film",
            "a dark and threatening corridor",
            "people fleeing in panic",
            "a person being followed at night",
        ),
    ),
    "joy": Prompts(
        ("joyful", "happy", "cheerful"),
        (
            "people laughing together",
            "a happy smiling face",
            "people celebrating and dancing",
            "a loving embrace",
            "children playing happily",
            "a happy dog with its family",
        ),
    ),
    "sadness": Prompts(
        ("sad", "sorrowful", "lonely"),
        (
            "a person crying",
            "mourners at a funeral",
            "a lonely person looking down",
            "a sad face with tears",
            "an abandoned animal behind bars",
            "someone grieving beside a hospital bed",
        ),
    ),
    "surprise": Prompts(
        ("surprising", "astonishing", "unexpected"),
        (
            "a person with mouth and eyes wide open in surprise",
            "an amazed crowd looking up",
            "a surprised face with raised eyebrows",
            "a surprise party",
            "someone shocked by unexpected news",
            "a magic trick that astonishes people",
        ),
    ),
    "everyday life": Prompts(
        ("ordinary", "neutral", "everyday"),
        (
            "people talking calmly",
            "a person with a neutral face",
            "a person at work at a desk",
            "people walking along a street",
            "someone doing household chores",
            "a person speaking to the camera",
        ),
    ),
    "places and things": Prompts(
        ("plain", "static", "unremarkable"),
        (
            "a building seen from outside",
            "an empty room with furniture",
            "a landscape without people",
            "a road with cars",
            "an object on a table",
            "a city from above",
        ),
    ),
    "writing and graphics": Prompts(
        ("blank", "abstract", "graphic"),
        (
            "a title card with text",
            "the end credits of a film",
            "a black screen",
            "a company logo",
            "a computer screen with a diagram",
            "a white background",
        ),
    ),
}
"""The six of `EMOTIONS`, in that order, then those of pictures without emotion."""

SCENES: tuple[str, ...] = (
    # People
    "a close-up of a face",
    "two people talking",
    "a person crying",
    "a person laughing",
    "a couple kissing",
    "a couple embracing",
    "a family with children",
    "children playing",
    "a baby",
    "an old person",
    "a person walking alone",
    "a person running",
    "people dancing at a party",
    "people arguing",
    "people fighting",
    "a person looking out of a window",
    "a person lying in bed",
    "a person reading a book",
    "a person talking on the telephone",
    "a person working at a computer",
    "people eating at a table",
    "a person cooking in a kitchen",
    "a crowd of people",
    "people shaking hands",
    # Events
    "a wedding",
    "a funeral",
    "a birthday party",
    "a concert on a stage",
    "a theatre play",
    "a sports match in a stadium",
    "a demonstration in the street",
    "a parade",
    "a press conference",
    "soldiers in a war",
    "an explosion",
    "a house on fire",
    "a car chase",
    "a car accident",
    "a police arrest",
    "fireworks in the night sky",
    "a magic show",
    # Indoors
    "a living room",
    "a bedroom",
    "a bathroom",
    "an office",
    "a classroom",
    "a hospital room",
    "a courtroom",
    "a prison cell",
    "a church",
    "a restaurant",
    "a bar with people drinking",
    "a shop",
    "a factory",
    "a laboratory",
    "a library",
    "a museum",
    "a gym",
    "an empty corridor",
    "a staircase",
    "a train station",
    "the inside of a car",
    "the inside of a train",
    "the inside of an aeroplane",
    # Outdoors
    "a beach",
    "the open sea",
    "waves in a storm",
    "underwater with fish",
    "a river",
    "a waterfall",
    "a lake among mountains",
    "snow-covered mountains",
    "a forest",
    "a meadow with flowers",
    "a field on a farm",
    "a desert",
    "a garden",
    "a park with trees",
    "a sunset",
    "a starry night sky",
    "clouds in a blue sky",
    "a thunderstorm with lightning",
    "rain on a window",
    "a snowy street in winter",
    "a city street by day",
    "a city street at night",
    "a city skyline from above",
    "a village",
    "a castle",
    "a ruined building",
    "a cemetery",
    "a playground",
    "a bridge",
    "a motorway with traffic",
    # Animals and things
    "a dog in a shelter cage",
    "a dog running outdoors",
    "a person holding a dog",
    "a cat",
    "a horse",
    "birds flying",
    "wild animals in the savanna",
    "an insect seen from very near",
    "a parked car",
    "a motorcycle",
    "a bicycle ride",
    "a boat on the water",
    "an aeroplane in flight",
    "a rocket launch",
    "a spaceship in outer space",
    "a robot",
    "a monster",
    "a person with a gun",
    "a plate of food",
    "a cup of coffee on a table",
    "a book on a table",
    "a musical instrument being played",
    "an old photograph",
    # Pictures that are not filmed
    "a cartoon",
    "a video game",
    "a map",
    "a computer screen",
    "a title card with text",
    "a black screen",
)
"""One of these is the caption. None contains another, or they would share their probability."""
