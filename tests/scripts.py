"""Texts on two subjects in many scripts, generated from lists of words."""

import random

# By script: words on the stars, words on the kitchen, common words, and the separator of words.
WORDS = {
    "English": (
        "star galaxy planet orbit telescope comet moon light-year",
        "soup onion pan butter salt oven knife dough",
        "the of and we see with very also",
        " ",
    ),
    "Chinese": (
        "恒星 银河 行星 轨道 望远镜 彗星 月球 光年",
        "汤 洋葱 平底锅 黄油 食盐 烤箱 菜刀 面团",
        "的 和 我们 看见 非常 也 在 是",
        "",
    ),
    "Japanese": (
        "恒星 銀河 惑星 軌道 望遠鏡 彗星 月面 光年",
        "スープ 玉ねぎ フライパン バター 塩 オーブン 包丁 生地",
        "の は が を とても また です ます",
        "",
    ),
    "Thai": (
        "ดาวฤกษ์ กาแล็กซี ดาวเคราะห์ วงโคจร กล้องโทรทรรศน์ ดาวหาง ดวงจันทร์ ปีแสง",
        "ซุป หัวหอม กระทะ เนย เกลือ เตาอบ มีด แป้ง",
        "และ ของ ที่ เรา เห็น มาก ด้วย เป็น",
        "",
    ),
    "Arabic": (
        "نجم مجرة كوكب مدار تلسكوب مذنب قمر ضوئية",
        "حساء بصل مقلاة زبدة ملح فرن سكين عجين",
        "من في على نحن نرى جدا أيضا مع",
        " ",
    ),
    "Hindi": (
        "तारा आकाशगंगा ग्रह कक्षा दूरबीन धूमकेतु चंद्रमा प्रकाशवर्ष",
        "सूप प्याज कड़ाही मक्खन नमक तंदूर चाकू आटा",
        "और का हम देखते बहुत भी साथ है",
        " ",
    ),
    "Korean": (
        "항성 은하 행성 궤도 망원경 혜성 달 광년",
        "수프 양파 팬 버터 소금 오븐 칼 반죽",
        "그리고 우리는 본다 매우 또한 함께 이 그",
        " ",
    ),
    "Khmer": (
        "ផ្កាយ កាឡាក់ស៊ី ភព គន្លង កែវយឹត ព្រះចន្ទ ពន្លឺ មេឃ",
        "ស៊ុប ខ្ទឹម ខ្ទះ ប៊ឺ អំបិល ឡ កាំបិត ម្សៅ",
        "និង របស់ យើង ឃើញ ណាស់ ដែរ ជាមួយ គឺ",
        "",
    ),
    "Lao": (
        "ດາວ ກາລັກຊີ ດາວເຄາະ ວົງໂຄຈອນ ກ້ອງ ດາວຫາງ ດວງຈັນ ປີແສງ",
        "ແກງ ຫົວຜັກບົ່ວ ກະທະ ເນີຍ ເກືອ ເຕົາອົບ ມີດ ແປ້ງ",
        "ແລະ ຂອງ ພວກເຮົາ ເຫັນ ຫຼາຍ ດ້ວຍ ທີ່ ເປັນ",
        "",
    ),
    "Myanmar": (
        "ကြယ် ဂယ်လက်ဆီ ဂြိုဟ် ပတ်လမ်း မှန်ပြောင်း ကြယ်တံခွန် လ အလင်း",
        "ဟင်းချို ကြက်သွန် ဒယ်အိုး ထောပတ် ဆား မီးဖို ဓား မုန့်ညက်",
        "နှင့် ၏ ကျွန်ုပ်တို့ မြင် အလွန် လည်း အတူ ဖြစ်",
        "",
    ),
    "mixed": (
        "star 银河 planet 轨道 望远镜 comet 月球 🌙",
        "soup 洋葱 pan 黄油 食盐 oven 菜刀 🍲",
        "the 和 we 看见 very 也 １２ 2024",
        "",
    ),
    "code": (
        "star.orbit() galaxy[i] planet+=1 telescope.see(x) comet=None moon*2 light(y) sky.dark",
        "pan.heat() onion[i] butter+=1 oven.bake(x) knife=None salt*2 soup(y) dough.rest",
        "if else: for return def x=1 i<n y==0",
        "\n",
    ),
    "formulas": (
        r"\sin{x} \cos{y} \tan{z} \pi r^2 \theta \phi x^2+y^2",
        r"p\land{q} p\lor{r} \lnot{s} \forall{a} \exists{b} p\to{q} \models t",
        "= + < a b 1 2 -",
        " ",
    ),
}
SCRIPTS = sorted(WORDS)


def written(script, subject, seed, words=22):
    """Return a text of a script on the stars (0) or the kitchen (1); about half its words are on the subject."""
    drawn = random.Random(f"{script}{subject}{seed}")
    own, common = WORDS[script][subject].split(), WORDS[script][2].split()
    return WORDS[script][3].join(drawn.choice(own if drawn.random() < 0.5 else common) for _ in range(words))
