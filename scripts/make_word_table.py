"""Makes `livedream/dream/networks/words.tsv`: what the networks' classes are, in words.

    python scripts/make_word_table.py --wordnet /usr/share/wordnet --ids ids.txt

`--wordnet` is the folder of WordNet 3.0's `data.noun` (Debian: package wordnet-base).  `--ids`
names the WordNet ids of ImageNet's thousand classes in their order, one a line (``n01440764``; what
follows on the line does not matter).  Genera of birds and insects come from the class names of the
networks in `models/`.  What a line of the table means stands in `networks/words.py`.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "livedream" / "dream" / "networks" / "words.tsv"

# Too general to be of use to anybody: everything is one.
GENERAL = {"entity", "physical entity", "object", "whole", "abstraction", "matter", "thing"}
# Senses that nobody means who asks for a picture: a word, and the synset that goes without it.
NOT_MEANT = {
    "instrument": "03574816",  # what is no musical one, weapons among it
    "toy": "02085374",  # small dogs
    "machine": "02958343",  # cars
    "blower": "02062430",  # whales
}
# What common names end with that WordNet does not have, or not of this animal.
ENDS = {
    "dragonfly": "skimmer meadowhawk darner pennant clubtail emerald whiteface pondhawk setwing "
    "saddlebags darter cruiser spinyleg spiketail hawker glider dasher corporal baskettail "
    "amberwing whitetail sanddragon ringtail percher grappletail dropwing dragonhunter chaser "
    "clubskimmer dragonlet",
    "damselfly": "dancer spreadwing rubyspot jewelwing demoiselle sprite firetail bluewing damsel",
    "butterfly": "skipper swallowtail crescent checkerspot sulphur duskywing white brown satyr "
    "patch metalmark longtail buckeye sister wood-nymph skipperling orangetip leafwing daggerwing "
    "whirlabout snout sootywing sicklewing sachem postman pixie pasha parnassian pansy mormon "
    "pearly-eye mestra map malachite longwing heliconian harvester glassywing gatekeeper "
    "eighty-eight eggfly dogface dartwhite cracker cloudywing checkered-skipper white-skipper "
    "broken-dash brimstone angled-sulphur cabbageworm",
    "moth": "sphinx owlet looper carpet borer tiger beauty clearwing pug prominent sallow wave "
    "silkmoth spanworm geometer hooktip dart dagger",
    "fly": "hoverfly syrphid calligrapher",
    "beetle": "longhorn prionus buprestid chafer",
    "bug": "shieldbug assassin",
    "owl": "morepork",
    "parrot": "rosella galah",
    "seabird": "frigatebird noddy",
    "finch": "greenfinch longspur grassquit",
    "warbler": "waterthrush chiffchaff gerygone",
    "hummingbird": "sabrewing jacobin",
}  # fmt: skip
# Everyday words for classes that WordNet does not lead to: this project's own.
EVERYDAY = {
    "autumn, fall, harvest": "acorn; buckeye; hip; agaric; bolete; gyromitra; earthstar; corn; "
    "ear; butternut squash; acorn squash; spaghetti squash; hen-of-the-woods",
    "leaf, foliage": "head cabbage; cardoon; buckeye; artichoke; custard apple; walking stick; "
    "mantis; leafhopper; green lizard",
    "flower, blossom": "daisy; yellow lady's slipper; cardoon; rapeseed; bee; artichoke; pot",
    "forest, wood, woods": "agaric; bolete; gyromitra; stinkhorn; coral fungus; earthstar; acorn; "
    "hen-of-the-woods; timber wolf; red fox; brown bear; great grey owl",
    "sea, ocean, water, wave": "seashore; coral reef; sandbar; breakwater; promontory; lakeside",
    "underwater": "coral reef; sea anemone; brain coral; jellyfish; starfish; sea urchin; "
    "sea slug; sea cucumber; lionfish; anemone fish; electric ray; stingray; scuba diver; "
    "loggerhead",
    "mountain, landscape": "alp; volcano; cliff; valley; promontory",
    "winter, snow, ice": "alp; ski; snowmobile; snowplow; dogsled; ice bear; king penguin; "
    "Arctic fox; white wolf; ptarmigan; Siberian husky; malamute",
    "fire, flame": "volcano; candle; torch; matchstick; stove; fire screen",
    "desert": "Arabian camel; sidewinder; horned viper; diamondback; sandbar; Gila monster",
    "jungle": "jaguar; tiger; macaw; toucan; orangutan; gorilla; tree frog; boa constrictor; "
    "green snake; lycaenid; indri; spider monkey",
    "savanna, safari": "lion; zebra; African elephant; cheetah; leopard; ostrich; gazelle; impala; "
    "hartebeest; hyena; warthog; hippopotamus",
    "farm": "barn; tractor; harvester; thresher; hay; hen; cock; ox; ram; hog; sorrel",
    "garden": "daisy; greenhouse; pot; lawn mower; picket fence; bee; cabbage butterfly; ringlet",
    "city, town, street": "street sign; traffic light; cab; streetcar; trolleybus; minibus; "
    "parking meter; fountain; palace; steel arch bridge",
    "cathedral, temple, gothic": "church; monastery; mosque; dome; bell cote; vault; altar; stupa",
    "castle": "castle; palace; vault",
    "music, musician": "violin; cello; acoustic guitar; electric guitar; grand piano; organ; sax; "
    "trombone; cornet; French horn; harp; accordion; banjo; flute; oboe; drum",
    "space, moon, star, planet": "space shuttle; planetarium; radio telescope; dome; solar dish",
    "dragon": "Komodo dragon; frilled lizard; agama; triceratops; horned viper; African chameleon",
    "monster, demon, devil, alien": "Komodo dragon; triceratops; hammerhead; tarantula; "
    "scorpion; isopod; trilobite",
    "face": "mask; ski mask; gasmask; gorilla; chimpanzee; orangutan",
    "cow, cattle": "ox; water buffalo; bison",
    "horse, pony": "sorrel; zebra",
    "chicken": "hen; cock",
    "rat, mouse": "hamster",
    "raven, crow": "magpie; jay",
    "jewel, jewelry, jewellery": "necklace; chain mail; hair slide; buckle",
    "toy": "teddy; jigsaw puzzle; pinwheel; carousel; swing",
    "steampunk, clockwork": "analog clock; stopwatch; magnetic compass; steam locomotive; "
    "sundial; odometer; gong; espresso maker; oil filter",
    "web": "spider web",
    "shell": "conch; chambered nautilus; chiton; snail; box turtle; hermit crab",
    "feather": "peacock; macaw; feather boa; lorikeet; sulphur-crested cockatoo; quill",
    "fur": "Persian cat; Angora; fur coat; chow; Samoyed; Pomeranian; red fox; ice bear",
    "scales": "common iguana; green lizard; Indian cobra; boa constrictor; tench; coho; "
    "armadillo; American alligator; African crocodile",
    "kitchen, cooking": "stove; refrigerator; microwave; dishwasher; toaster; waffle iron; "
    "frying pan; wok; Dutch oven; spatula; ladle; mixing bowl; Crock Pot; coffeepot; teapot; "
    "can opener; plate rack; rotisserie",
    "breakfast": "espresso; bagel; coffee mug; French loaf; toaster; waffle iron; cup; "
    "strawberry; banana",
    "cake, dessert, candy": "ice cream; ice lolly; trifle; chocolate sauce; confectionery; "
    "bakery; custard apple",
    "money, treasure": "piggy bank; slot; purse; wallet; cash machine; vending machine; chest",
    "metal, steel": "chain mail; breastplate; cuirass; steel drum; chain; iron; nail; "
    "screw; hammer; padlock; shield; dumbbell; caldron",
    "gold, silver": "gong; trombone; French horn; cornet; sax; goblet; chime; caldron; "
    "chest",
    "wedding, bride, love": "groom; gown; bow tie; hoopskirt; suit; altar; church; perfume; "
    "lipstick; candle",
    "night, dark": "great grey owl; candle; torch; spotlight; table lamp; lampshade; "
    "jack-o'-lantern",
    "war, army, soldier, battle": "tank; assault rifle; rifle; military uniform; half track; "
    "cannon; missile; projectile; warplane; bulletproof vest; aircraft carrier; submarine; holster",
    "knight, armor, armour": "breastplate; cuirass; chain mail; shield; scabbard; castle",
    "king, queen, crown, prince, princess": "throne; palace; castle; hoopskirt; cloak; breastplate",
    "ghost, halloween, witch, wizard, magic": "jack-o'-lantern; mask; cloak; broom; caldron; "
    "candle; spider web; black widow; great grey owl",
    "skeleton, skull, bone, fossil": "triceratops; trilobite; brain coral; conch; mask",
    "circus, carnival, party, fair": "carousel; maypole; balloon; mask; unicycle; swing; "
    "sombrero; toyshop; drum",
    "christmas, xmas": "Christmas stocking; candle; teddy; chime; toyshop; dogsled; "
    "confectionery; bell cote",
    "sport, gymnastics": "basketball; football helmet; soccer ball; rugby ball; tennis ball; "
    "volleyball; golf ball; ping-pong ball; racket; ski; puck; balance beam; horizontal bar; "
    "parallel bars; barbell; dumbbell; punching bag; ballplayer",
    "robot, technology, electronics, cyberpunk": "computer keyboard; joystick; loudspeaker; "
    "modem; hard disc; oscilloscope; radio; television; screen; remote control; tape player; "
    "cassette player; projector; mouse; CD player; hand-held computer; Polaroid camera; "
    "reflex camera",
    "office": "desk; typewriter keyboard; file; printer; photocopier; fountain pen; ballpoint; "
    "binder; envelope; notebook; desktop computer; letter opener; pencil sharpener; "
    "rubber eraser; rule",
    "school, book, writing, paper": "library; bookcase; bookshop; book jacket; comic book; "
    "pencil box; pencil sharpener; fountain pen; quill; rule; slide rule; abacus; school bus; "
    "notebook; menu",
    "time": "analog clock; wall clock; digital clock; stopwatch; hourglass; sundial; digital watch",
    "hair": "wig; hair slide; hair spray; komondor; Afghan hound; lion; Old English sheepdog; "
    "Angora; Yorkshire terrier",
    "stone, rock": "stone wall; cliff; megalith; obelisk; trilobite; promontory; cliff dwelling; "
    "pedestal",
    "rain, storm, lightning, weather": "umbrella; trench coat; geyser; fountain; breakwater",
    "river, lake, waterfall": "lakeside; dam; suspension bridge; canoe; paddle; valley; beaver; "
    "gondola; fountain; geyser",
    "beach, island, summer, holiday": "seashore; sandbar; sunglasses; sunscreen; bikini; maillot; "
    "swimming trunks; sarong; snorkel; bathing cap; speedboat; sandal; catamaran; ice lolly",
    "sail, sailing": "yawl; schooner; trimaran; catamaran; pirate",
    "railway, railroad": "steam locomotive; electric locomotive; passenger car; freight car; "
    "bullet train; streetcar",
    "road, traffic": "traffic light; street sign; cab; limousine; convertible; minivan; "
    "trailer truck; moving van; parking meter; motor scooter; tow truck; police van",
    "police, rescue": "police van; ambulance; fire engine; bulletproof vest; holster; lifeboat; "
    "stretcher; crash helmet",
    "hospital, doctor": "ambulance; stretcher; syringe; stethoscope; lab coat; Band Aid; "
    "oxygen mask; crutch; pill bottle",
    "bathroom": "bathtub; tub; toilet seat; toilet tissue; shower curtain; shower cap; "
    "soap dispenser; medicine chest; washbasin; bath towel; lotion; face powder",
    "room, bedroom, living room": "four-poster; quilt; studio couch; rocking chair; table lamp; "
    "lampshade; bookcase; wardrobe; pillow; chiffonier; home theater; dining table; window shade; "
    "entertainment center; cradle",
    "window": "window shade; window screen; shoji; greenhouse; church",
    "grandmother, grandma, granny": "rocking chair; quilt; teapot; apron; wooden spoon; "
    "lampshade; spindle; doormat; thimble",
    "baby, child": "diaper; bib; cradle; crib; bassinet; nipple; teddy",
    "antique, vintage, retro": "Model T; typewriter keyboard; dial telephone; Polaroid camera; "
    "analog clock; sundial; pedestal; chiffonier; steam locomotive; abacus; pay-phone",
    "tree, park": "fig; orange; lemon; acorn; buckeye; koala; three-toed sloth; park bench; "
    "birdhouse",
    "grass, meadow, field": "hay; rapeseed; daisy; grasshopper; ram; lawn mower; golfcart; ox; "
    "hare; harvester",
    "pub, beer, alcohol": "beer bottle; beer glass; wine bottle; red wine; goblet; "
    "cocktail shaker; whiskey jug; pop bottle; eggnog",
    "tea": "teapot; cup; espresso maker",
    "octopus, squid, tentacle": "jellyfish; sea anemone; chambered nautilus; starfish",
    "egypt, egyptian, pharaoh": "obelisk; Egyptian cat; Arabian camel; dung beetle; scorpion; "
    "horned viper; Ibizan hound",
    "japan, japanese, asia, asian": "shoji; kimono; Japanese spaniel; stupa; gong; wok; "
    "jinrikisha; tub",
    "lace, knit, textile, cloth": "velvet; wool; quilt; poncho; doormat; stole; "
    "handkerchief; bath towel; prayer rug; apron; mitten; honeycomb",
    "net, mesh, wire, grid": "chainlink fence; spider web; window screen; crate; honeycomb; "
    "radiator; grille; strainer; shopping basket",
    "factory, industry, industrial": "oil filter; gas pump; drilling platform; forklift; "
    "chain saw; power drill; steel drum; water tower; radiator; disk brake",
    "garage, workshop": "car wheel; disk brake; tow truck; oil filter; power drill; screwdriver; "
    "hammer; jeep; plane; carpenter's kit",
    "record, vinyl, disco": "tape player; cassette; radio; loudspeaker; iPod; CD player; "
    "spotlight; stage; microphone",
    "dance, ballet": "maypole; hoopskirt; miniskirt; gown; overskirt; stage",
    "sky, cloud, air, flight": "airliner; warplane; balloon; parachute; airship; wing; kite; "
    "bald eagle; alp",
    "sun": "daisy; sundial; solar dish; sunglasses",
    "mouth, teeth, jaws": "great white shark; tiger shark; African crocodile; American alligator; "
    "gar; lipstick; harmonica",
    "china, porcelain, pottery": "teapot; vase; pot; cup; soup bowl; pitcher; coffee mug",
    "eye": "great grey owl; tree frog; peacock; African chameleon; lynx",
    "crystal": "goblet; beaker; perfume; hourglass; salt shaker",
    "angel, heaven": "harp; altar; vault; dome; white stork; bell cote",
    "wing": "monarch; dragonfly; admiral; peacock; hummingbird; lacewing; wing; "
    "ringlet; sulphur butterfly",
}  # fmt: skip


@dataclass
class Entry:
    """A synset, or what stands for one: its words, what it is one of."""

    key: str
    words: list[str]
    parents: list[str]


def read_wordnet(path: Path) -> dict[str, Entry]:
    """Every noun synset by its offset."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):  # the licence, at the top
            continue
        offset, _, _, count, *rest = line.split(" | ")[0].split()
        size = 2 * int(count, 16)
        words = [word.replace("_", " ") for word in rest[:size:2]]
        pointers = rest[size + 1 :]
        parents = [
            pointers[at + 1] for at in range(0, len(pointers) - 3, 4) if pointers[at] in ("@", "@i")
        ]
        found[offset] = Entry(offset, words, parents)
    return found


def with_parents(wordnet: Mapping[str, Entry], keys: Iterable[str]) -> list[str]:
    """The synsets and all that they are, each once, without what is too general."""
    found: dict[str, None] = {}
    waiting = list(keys)
    while waiting:
        key = waiting.pop(0)
        if key not in found and not GENERAL & set(wordnet[key].words):
            found[key] = None
            waiting += wordnet[key].parents
    return list(found)


def genera(wordnet: Mapping[str, Entry], file: Path, kind: str) -> dict[str, str]:
    """By genus the synset that most of its species' common names end with, `kind` at least."""
    top = next(key for key, one in wordnet.items() if one.words[0] == kind)
    below: dict[str, str] = {}  # a word, and the first synset below `kind` that has it
    inside = {top}
    grew = True
    while grew:
        new = {k for k, one in wordnet.items() if k not in inside and inside & set(one.parents)}
        grew = bool(new)
        inside |= new
    for key in sorted(inside):
        for word in wordnet[key].words:
            below.setdefault(word.lower(), key)
    for word, own in ENDS.items():
        below.update(dict.fromkeys(own.split(), below[word]) if word in below else {})
    with safe_open(file, framework="numpy") as opened:
        labels = json.loads(opened.metadata()["livedream"])["classes"]
    seen: dict[str, Counter[str]] = {}
    for label in labels:
        latin, _, common = label.partition(" (")
        words = common.rstrip(")").lower().split()
        ends = (" ".join(words[at:]) for at in range(len(words)))
        found = next((below[end] for end in ends if end in below), top)
        seen.setdefault(latin.split()[0], Counter())[found] += 1
    chosen = {}
    for genus, counts in seen.items():
        named = Counter({key: n for key, n in counts.items() if key != top})
        chosen[genus] = named.most_common(1)[0][0] if named else top
    return chosen


def make_table(wordnet: dict[str, Entry], ids: list[str]) -> str:
    """The file's text."""
    classes = [one.lstrip("n") for one in ids]
    own_genera = {
        **genera(wordnet, ROOT / "models/dreamnet-birds.safetensors", "bird"),
        **genera(wordnet, ROOT / "models/dreamnet-insects.safetensors", "insect"),
    }
    keys = with_parents(wordnet, classes + sorted(set(own_genera.values())))
    entries = [wordnet[key] for key in classes]
    entries += [wordnet[key] for key in keys if key not in set(classes)]
    for word, key in NOT_MEANT.items():
        wordnet[key].words.remove(word)
    for number, (words, members) in enumerate(EVERYDAY.items(), 1):
        entries.append(Entry(f"e{number}", words.split(", "), []))
        for member in members.split("; "):
            named = [e for e in entries[:1000] if member.lower() in map(str.lower, e.words)]
            if not named:
                print("everyday: no class", member)
            for one in named:
                one.parents.append(f"e{number}")
    entries += [Entry("", [genus], [key]) for genus, key in sorted(own_genera.items())]
    kept = {entry.key for entry in entries}
    lines = (
        f"{one.key}\t{', '.join(one.words)}\t{' '.join(k for k in one.parents if k in kept)}"
        for one in entries
    )
    return "\n".join(lines) + "\n"


def main() -> None:
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--wordnet", type=Path, required=True, help="folder of data.noun")
    parser.add_argument("--ids", type=Path, required=True, help="ImageNet's classes in order")
    args = parser.parse_args()
    ids = [line.split()[0] for line in args.ids.read_text().splitlines() if line.strip()]
    text = make_table(read_wordnet(args.wordnet / "data.noun"), ids)
    TABLE.write_text(text, encoding="utf-8", newline="\n")
    print(f"{TABLE}: {text.count(chr(10))} lines, {len(text) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
