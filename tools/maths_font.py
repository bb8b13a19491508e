"""Cut STIX Two Math down to the letters and signs of formulas; writes the book's web font.

Run by hand, once: the full font is not part of this repository.
`python -m tools.maths_font STIXTwoMath-Regular.ttf book/assets/static/fonts/stix-two-math.woff2`
"""

import sys
from pathlib import Path

from fontTools.pens.transformPen import TransformPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

# First and last of each range: letters as MathML names them, then signs.
RANGES = """
20-7E A0 A8 AC AF B1 B4 B7 D7 F7 391-3A9 3B1-3C9 3D1 3D5 3D6 3F0 3F1 3F5
1D400-1D433 1D434-1D467 1D468-1D49B 1D49C-1D4B5 1D538-1D551 1D6E2-1D71B 1D736-1D755 1D7CE-1D7D7
2102 210B 210D 210E 2110 2112 2113 2115 2119 211A 211B 211D 2124 212C 2130 2131 2133 1D7D9
2C6 2C7 2D8-2DA 2DC 302-305 307 308 332 20D7 2013 2016 2018 2019 2026 2032-2034 2061-2063
2190-2194 21A6 21D0 21D2 21D4 2200 2202-2209 220B 220F 2211-2213 2215-221A 221D 221E 2223 2225
2227-222B 223C 2243 2245 2248 2254 225C 2260 2261 2264 2265 226A 226B 2282 2283 2286 2287
2295 2297 2299 22A4 22A5 22C5 22C6 22EE 22EF 22F1 2308-230B 239B-23AE 23DE 23DF 27E8 27E9 25A1
"""
PRIMES = (0x2032, 0x2033, 0x2034)
RADICAL = 0x221A
SIZES = 6  # ready-made sizes of a bracket; what is taller still is put together of parts


def characters(ranges: str) -> set[int]:
    """Code points of a list of ranges.

    Example:
        >>> sorted(characters("20-22 3D"))
        [32, 33, 34, 61]
    """
    pairs = [part.split("-") for part in ranges.split()]
    return {code for pair in pairs for code in range(int(pair[0], 16), int(pair[-1], 16) + 1)}


def lower_primes(font: TTFont) -> None:
    """Let a prime be the form for exponents: only Firefox asks the font for it by itself."""
    forms = {}
    for record in font["GSUB"].table.FeatureList.FeatureRecord:
        if record.FeatureTag == "ssty":
            for index in record.Feature.LookupListIndex:
                for table in font["GSUB"].table.LookupList.Lookup[index].SubTable:
                    forms |= getattr(table, "ExtSubTable", table).alternates
    exponents = {code: forms[font.getBestCmap()[code]][0] for code in PRIMES}
    for table in font["cmap"].tables:
        if table.isUnicode() and hasattr(table, "cmap"):
            table.cmap |= exponents


def level_scripts(font: TTFont) -> None:
    """Keep exponents of `)` and indices of `φ` in line with those of other letters.

    TeX disregards the height and depth of a single letter here; browsers do not.
    """
    constants = font["MATH"].table.MathConstants
    constants.SuperscriptBaselineDropMax.Value = 370
    constants.SubscriptBaselineDropMin.Value = 0


def narrow(font: TTFont) -> None:
    """Make all sizes of a sign about as wide as the smallest.

    Chromium leaves room for the widest of them, whichever it draws: a gap after each root.
    """
    variants = font["MATH"].table.MathVariants
    radical = font.getBestCmap()[RADICAL]
    names, all_sizes = variants.VertGlyphCoverage.glyphs, variants.VertGlyphConstruction
    for name, sizes in zip(names, all_sizes, strict=True):
        sizes.MathGlyphVariantRecord = sizes.MathGlyphVariantRecord[:SIZES]
        if name == radical:
            parts = [part.glyph for part in sizes.GlyphAssembly.PartRecords]
            taller = [size.VariantGlyph for size in sizes.MathGlyphVariantRecord]
            for glyph in {*parts, *taller} - {name}:
                squeeze(font, glyph, font["hmtx"][name][0])


def squeeze(font: TTFont, name: str, width: int) -> None:
    """Scale a glyph sideways to a width."""
    scale = width / font["hmtx"][name][0]
    pen = TTGlyphPen(None)
    font.getGlyphSet()[name].draw(TransformPen(pen, (scale, 0, 0, 1, 0, 0)))
    font["glyf"][name] = pen.glyph()
    font["hmtx"][name] = (width, round(font["hmtx"][name][1] * scale))


def cut(source: Path, target: Path) -> None:
    """Write the characters of `RANGES` of a font, with its table for formulas, as WOFF2."""
    font = TTFont(source)
    lower_primes(font)
    level_scripts(font)
    narrow(font)
    options = Options(layout_features=[], hinting=False, name_IDs=[0, 1, 2, 4, 5, 6, 13, 14])
    options.flavor = "woff2"
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=characters(RANGES))
    subsetter.subset(font)
    font.flavor = "woff2"
    font.save(target)


if __name__ == "__main__":
    cut(Path(sys.argv[1]), Path(sys.argv[2]))
