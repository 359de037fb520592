"""Makes `livedream/dream/networks/words.tsv`: what the networks' classes are, in words.

    python scripts/make_word_table.py --wordnet /usr/share/wordnet --ids ids.txt

`--wordnet` is the folder of WordNet 3.0's `data.noun` (Debian: package wordnet-base).  `--ids`
names the WordNet ids of ImageNet's thousand classes in their order, one a line (``n01440764``; what
follows on the line does not matter).  Genera of birds and insects come from the class names of the
networks in `models/`.  What a line of the table means stands in `networks/words.py`.  Long, as most
of it are lists of words.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open

from livedream.dream.networks.words import common_names, plain

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "livedream" / "dream" / "networks" / "words.tsv"

# Too general to be of use to anybody: everything is one.
GENERAL = {"entity", "physical entity", "object", "whole", "abstraction", "matter", "thing"}
# Senses that nobody means who asks for a picture: a word, and the synsets that go without it.
NOT_MEANT = {
    "instrument": "03574816",  # what is no musical one, weapons among it
    "toy": "02085374",  # small dogs
    "machine": "02958343",  # cars
    "blower": "02062430",  # whales
    "mole": "02894605",  # breakwaters
    "wind": "04586932",  # music
    "wood": "04598582",  # music
    "spring": "09443453",  # geysers
    "head": "09399592",  # promontories
    "drop": "09246464",  # cliffs
    "pattern": "03178782",  # totem poles
    "design": "03178782",
    "figure": "03178782",
    "plant": "03956922",  # factories
    "dress": "02756098 02728440",  # whatever is worn
    "jacket": "03590306",  # of books
    "gear": "03430959",  # equipment
    "house": "04417809",  # theatres
    "painter": "02125311",  # cougars
    "match": "09626238",  # grooms
    "pool": "03982060",  # rain barrels
    "bar": "02788689 09214060",  # space bars, sandbars
    "mail": "03000247",  # armour
    "cream": "03128519",  # cosmetics
    "medicine": "03740161",  # face powder
    "key": "03613592",  # space bars
    "claw": "03532672",  # hooks
    "arm": "04565375",  # weapons
    "cooker": "03101156",  # pots
    "trump": "03110669",  # cornets
    "runner": "04120093",  # of sleds
    "point": "08620061",  # bakeries
    "cell": "02992529",  # telephones
    "monitor": "01694709",  # lizards
    "convertible": "03100346",  # couches
    "harp": "03494278",  # harmonicas
    "car": "02959942",  # of trains
    "racer": "02384858",  # greyhounds
    "scale": "03959701",  # armour
    "shell": "03959701",
    "plate": "03959701",
    "game": "02152991",  # grouse
    "fruit": "13134947",  # ears of corn and acorns
    "jack": "07754684",  # fruit
    "bars": "03888605",  # in gymnastics
    "cows": "02402425",  # of which a cow is none
    "shield": "04192858",  # armour
    "oriole": "01571904",  # blackbirds
}
# What WordNet has not as one: buses and trains as vehicles, slide rules as mere devices.
ALSO = {"02924116": "04576211", "04468005": "04576211", "04238763": "03183080"}
# And has: web sites and slide rules as computers, menus as food.
NOT_ONE = {"06359193": "03082979", "04238763": "02708224", "07565083": "07560652"}
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
    "silkmoth spanworm geometer hooktip dart dagger processionary-moth",
    "fly": "hoverfly syrphid calligrapher",
    "beetle": "longhorn prionus buprestid chafer",
    "bug": "shieldbug assassin",
    "owl": "morepork",
    "parrot": "rosella galah",
    "seabird": "frigatebird noddy",
    "finch": "greenfinch longspur grassquit",
    "warbler": "waterthrush chiffchaff gerygone",
    "hummingbird": "sabrewing jacobin",
    "bird": "magpie-robin",  # of which shamas are as well
    "eagle": "bateleur",
    "shorebird": "jacana",
    "coraciiform bird": "roller",
    "gallinule": "moorhen",
    "new world blackbird": "blackbird",
    "new world sparrow": "sparrow",
}  # fmt: skip
# Everyday words for classes, or kinds of them, that WordNet does not lead to: this project's own.
EVERYDAY = {
    "autumn, fall, harvest": "acorn; buckeye; hip; agaric; bolete; gyromitra; earthstar; corn; "
    "ear; butternut squash; acorn squash; spaghetti squash; hen-of-the-woods",
    "leaf, foliage, fern, ivy, moss, vine": "head cabbage; cardoon; buckeye; artichoke; "
    "custard apple; walking stick; mantis; leafhopper; green lizard",
    "flower, blossom, petal, bouquet, rose, tulip, sunflower": "daisy; yellow lady's slipper; "
    "cardoon; rapeseed; bee; artichoke; pot",
    "forest, wood, woods": "agaric; bolete; gyromitra; stinkhorn; coral fungus; earthstar; acorn; "
    "hen-of-the-woods; timber wolf; red fox; brown bear; great grey owl",
    "sea, ocean, water, wave": "seashore; coral reef; sandbar; breakwater; promontory; lakeside",
    "underwater": "coral reef; sea anemone; brain coral; jellyfish; starfish; sea urchin; "
    "sea slug; sea cucumber; lionfish; anemone fish; electric ray; stingray; scuba diver; "
    "loggerhead",
    "mountain, landscape": "alp; volcano; cliff; valley; promontory",
    "winter, snow, snowy, ice, icy": "alp; ski; snowmobile; snowplow; dogsled; ice bear; "
    "king penguin; Arctic fox; white wolf; ptarmigan; Siberian husky; malamute",
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
    "chicken": "hen; cock",
    "jewel, jewelry, jewellery": "necklace; chain mail; hair slide; buckle",
    "toy": "teddy; jigsaw puzzle; pinwheel; carousel; swing",
    "steampunk, clockwork, gear, cog": "analog clock; stopwatch; magnetic compass; "
    "steam locomotive; sundial; odometer; gong; espresso maker; oil filter",
    "web, cobweb": "spider web",
    "shell, seashell": "conch; chambered nautilus; chiton; snail; box turtle; hermit crab",
    "feather, feathered": "peacock; macaw; feather boa; lorikeet; sulphur-crested cockatoo; quill",
    "fur, furry, fluffy": "Persian cat; Angora; fur coat; chow; Samoyed; Pomeranian; red fox; "
    "ice bear",
    "scales, scaly": "common iguana; green lizard; Indian cobra; boa constrictor; tench; coho; "
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
    "gold, golden, silver": "gong; trombone; French horn; cornet; sax; goblet; chime; caldron; "
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
    "hair, hairy": "wig; hair slide; hair spray; komondor; Afghan hound; lion; "
    "Old English sheepdog; Angora; Yorkshire terrier",
    "stone, rock": "stone wall; cliff; megalith; obelisk; trilobite; promontory; cliff dwelling; "
    "pedestal",
    "rain, rainy, storm, stormy, lightning, weather": "umbrella; trench coat; geyser; fountain; "
    "breakwater",
    "river, lake, waterfall": "lakeside; dam; suspension bridge; canoe; paddle; valley; beaver; "
    "gondola; fountain; geyser",
    "beach, island, summer, holiday": "seashore; sandbar; sunglasses; sunscreen; bikini; maillot; "
    "swimming trunks; sarong; snorkel; bathing cap; speedboat; sandal; catamaran; ice lolly",
    "sail, sailing": "yawl; schooner; trimaran; catamaran; pirate",
    "railway, railroad, rails, track": "steam locomotive; electric locomotive; passenger car; "
    "freight car; bullet train; streetcar",
    "road, traffic, highway, motorway": "traffic light; street sign; cab; limousine; convertible; "
    "minivan; trailer truck; moving van; parking meter; motor scooter; tow truck; police van",
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
    "pub, bar, beer, alcohol": "beer bottle; beer glass; wine bottle; red wine; goblet; "
    "cocktail shaker; whiskey jug; pop bottle; eggnog",
    "tea": "teapot; cup; espresso maker",
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
    "record, vinyl, disco, disco ball, turntable, record player, headphone, dj, mic, synth, "
    "nightclub, club, rave, techno": "tape player; cassette; radio; loudspeaker; iPod; CD player; "
    "spotlight; stage; microphone",
    "dance, ballet": "maypole; hoopskirt; miniskirt; gown; overskirt; stage",
    "sky, cloud, air, flight": "airliner; warplane; balloon; parachute; airship; wing; kite; "
    "bald eagle; alp",
    "sun, sunny": "daisy; sundial; solar dish; sunglasses",
    "mouth, tooth, jaw": "great white shark; tiger shark; African crocodile; American alligator; "
    "gar; lipstick; harmonica",
    "china, porcelain, pottery": "teapot; vase; pot; cup; soup bowl; pitcher; coffee mug",
    "eye": "great grey owl; tree frog; peacock; African chameleon; lynx",
    "crystal": "goblet; beaker; perfume; hourglass; salt shaker",
    "angel, heaven": "harp; altar; vault; dome; white stork; bell cote",
    "wing": "monarch; dragonfly; admiral; peacock; hummingbird; lacewing; wing; "
    "ringlet; sulphur butterfly",
    "horns, antler": "ram; bighorn; ibex; water buffalo; hartebeest; gazelle; impala; "
    "triceratops; rhinoceros beetle; horned viper",
    "claw": "fiddler crab; American lobster; scorpion; bald eagle; king crab",
    "ears": "hare; Angora; red fox; kit fox; Chihuahua; Ibizan hound; African elephant",
    "spring": "daisy; rapeseed; bee; cabbage butterfly; robin; yellow lady's slipper; hare",
    "wind, windmill": "pinwheel; airship; balloon; parachute; yawl; schooner; umbrella",
    "house, cottage, cabin, hut, villa, village": "cliff dwelling; mobile home; yurt; palace; "
    "boathouse; barn; thatch; tile roof; birdhouse; patio; picket fence",
    "light, glow, neon, laser, lantern, lightbulb, lamppost, candlelight": "candle; torch; "
    "spotlight; table lamp; lampshade; jack-o'-lantern; traffic light; beacon; lighter",
    "pattern, design, texture": "quilt; prayer rug; chainlink fence; honeycomb; manhole cover; "
    "velvet; window screen; tile roof; doormat",
    "jacket": "trench coat; suit; fur coat; lab coat; cardigan",
    "dress": "gown; hoopskirt; overskirt; kimono; abaya; miniskirt; sarong",
    "wall, brick": "stone wall; cliff dwelling; megalith; castle; vault",
    "train": "bullet train; steam locomotive; electric locomotive; freight car; passenger car",
    "mail, post": "mailbox; mailbag; envelope; packet",
    "pumpkin": "jack-o'-lantern; butternut squash; acorn squash; spaghetti squash",
    "jack o lantern": "jack-o'-lantern",
    "football, soccer": "soccer ball; rugby ball; football helmet",
    "tennis": "tennis ball; racket",
    "golf": "golf ball; golfcart",
    "medicine": "pill bottle; syringe; stethoscope; medicine chest; Band Aid",
    "cream": "ice cream; lotion; chocolate sauce",
    "drop, droplet": "bubble; water bottle; fountain; geyser; water jug",
    "plant": "daisy; yellow lady's slipper; pot; head cabbage; cardoon; artichoke; fig",
    "wooden": "wooden spoon; crate; barrel; chest; desk; picket fence; rocking chair",
    "cooker": "stove; microwave; Dutch oven; Crock Pot",
    "carriage": "horse cart; oxcart; jinrikisha; passenger car",
    "painter": "paintbrush",
    "match": "matchstick",
    "boat": "catamaran; trimaran; schooner",
    "ship": "schooner",
    "yacht": "yawl; schooner; trimaran; catamaran; speedboat",
    "kayak": "canoe; paddle",
    "ferry": "liner; catamaran; fireboat",
    "shipwreck": "wreck",
    "airplane, aeroplane, jet": "airliner; warplane",
    "spaceship, rocket": "space shuttle; missile; projectile",
    "hot air balloon": "balloon",
    "lorry": "truck",
    "husky": "Siberian husky",
    "labrador": "Labrador retriever",
    "shop": "grocery store",
    "building": "castle; prison; shop",
    "keyboard": "grand piano; upright; organ; accordion",
    "tower": "water tower; castle",
    "cafe, coffee shop": "restaurant; espresso; espresso maker; coffee mug",
    "harbour, harbor, port": "dock",
    "fruit": "edible fruit",
    "kitten": "domestic cat",
    "puppy": "dog",
    "bunny": "leporid",
    "rooster": "cock",
    "lioness": "lion",
    "sheep, lamb": "ram; bighorn",
    "tortoise": "turtle",
    "toadstool": "mushroom; agaric; bolete; gyromitra",
    "pet": "tabby; Persian cat; golden retriever; beagle; hamster; guinea pig; goldfish; macaw",
    "wildlife": "lion; tiger; zebra; African elephant; brown bear; timber wolf; red fox; "
    "bald eagle; gorilla; American alligator",
    "tv": "television; screen",
    "fridge": "refrigerator",
    "bookshelf": "bookcase",
    "whisky, whiskey": "whiskey jug",
    "goggles": "sunglasses; snorkel; gasmask; ski mask",
    "bass guitar": "electric guitar; acoustic guitar",
}  # fmt: skip
# The same where it is only what comes nearest among ImageNet's classes: no other network's animals
# are that.
STAND_INS = {
    "cow, cattle, calf, bull": "ox; water buffalo; bison",
    "horse, pony": "sorrel; zebra",
    "deer, stag, elk, moose, reindeer": "hartebeest; impala; gazelle; ibex",
    "rat, mouse": "hamster",
    "raccoon": "lesser panda",
    "raven, crow": "magpie; jay",
    "octopus, squid, tentacle": "jellyfish; sea anemone; chambered nautilus; starfish",
    "shrimp, prawn": "American lobster; spiny lobster; crayfish",
    "bug": "insect",
    "moth": "butterfly",
    "wasp": "bee",
}


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
        parents += [ALSO[offset]] if offset in ALSO else []
        parents = [one for one in parents if one != NOT_ONE.get(offset)]
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


def species(network: str) -> list[str]:
    """A network's classes, as its file says them."""
    with safe_open(ROOT / "models" / f"{network}.safetensors", framework="numpy") as opened:
        return list(json.loads(opened.metadata()["livedream"])["classes"])


def genera(wordnet: Mapping[str, Entry], labels: Iterable[str], kind: str) -> dict[str, str]:
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
            below.setdefault(plain(word), key)
    for word, own in ENDS.items():
        below.update(dict.fromkeys(map(plain, own.split()), below[word]) if word in below else {})
    seen: dict[str, Counter[str]] = {}
    for label in labels:
        found = next((below[end] for end in common_names(label) if end in below), top)
        seen.setdefault(label.split()[0], Counter())[found] += 1
    chosen = {}
    for genus, counts in seen.items():
        named = Counter({key: n for key, n in counts.items() if key != top})
        chosen[genus] = named.most_common(1)[0][0] if named else top
    return chosen


def members(synsets: list[Entry], name: str) -> list[Entry]:
    """The classes whose first word is the name, else those that have it, else the kinds."""
    classes = synsets[:1000]
    first = [one for one in classes if one.words[0] == name]
    some = [one for one in classes if name.lower() in map(str.lower, one.words)]
    return first or some or [one for one in synsets if one.words[:1] == [name]]


def make_table(wordnet: dict[str, Entry], ids: list[str]) -> str:
    """The file's text."""
    classes = [one.lstrip("n") for one in ids]
    birds, insects = species("dreamnet-birds"), species("dreamnet-insects")
    own_genera = {**genera(wordnet, birds, "bird"), **genera(wordnet, insects, "insect")}
    keys = with_parents(wordnet, classes + sorted(set(own_genera.values())))
    synsets = [wordnet[key] for key in dict.fromkeys((*classes, *keys))]
    for word, without in NOT_MEANT.items():
        for key in without.split():
            wordnet[key].words.remove(word)
    entries = list(synsets)
    for letter, themes in (("e", EVERYDAY), ("s", STAND_INS)):
        for number, (words, named) in enumerate(themes.items(), 1):
            entries.append(Entry(f"{letter}{number}", words.split(", "), []))
            for member in named.split("; "):
                found = members(synsets, member)
                if not found:
                    print("everyday: no class or kind", member)
                for one in found:
                    one.parents.append(entries[-1].key)
    entries += [Entry("", [genus], [key]) for genus, key in sorted(own_genera.items())]
    names = {name for label in (*birds, *insects) for name in common_names(label)[:1]}
    known = {plain(word) for one in entries for word in one.words}
    entries.append(Entry("species", sorted(one for one in names - known if " " in one), []))
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
