// Package appearance draws visible signatures: the text of a template and an image on a coloured or
// transparent area, as the appearance stream of a signature's widget annotation (ISO 32000-2
// 12.5.5).
//
// Make lays out the content for an area. Place and PlaceIn say where on a page the area lies.
// Appearance.Write adds the objects to an incremental update. All lengths are points as the reader
// of the page sees them. One image pixel is one point, whatever the page's rotation and UserUnit.
//
// # Layout
//
// Image and text stand side by side, the image on the left. Together they are centred in the area.
// The image is never scaled. The text has the requested size (default 10 points) with a padding of
// 5 points around it, and wraps between words. If the text does not fit, it is placed under the
// image. If it still does not fit, smaller sizes are tried, in steps of half a point or 5 %, and
// the padding shrinks with the size. Down to 60 % of the requested size words are kept whole. Then
// all sizes are tried again with broken words, down to 4 points. A text that does not fit even then
// is refused. Nothing is ever drawn outside the area. If the request has no area, the area is as
// large as the content, but not larger than the page.
//
// # Fonts and scripts
//
// Each part of a text in one script is drawn with the first font that has all its characters. The
// order is: the font that the request names, the operator's fonts in their order, the other
// built-in fonts. If no font has all characters, each character with its marks is drawn with the
// first font that has it. A text with a character that no font has is refused. No replacement
// character is drawn.
//
// A line of the template that begins in a right-to-left script is a right-to-left line, and is
// aligned right. Within a line the Unicode Bidirectional Algorithm (UAX #9) decides, with the value
// of each reference isolated. Text is shaped (ligatures, joined letters, reordered vowels, marks).
// Latin, Greek and Cyrillic in a built-in font are not shaped. Chinese, Japanese and Korean lines
// break between characters (UAX #14). Thai, Lao, Khmer and Burmese have no blanks between words,
// and finding words in them takes a dictionary. Such lines break at blanks, or between any
// characters if words may be broken.
//
// # Colours and transparency
//
// In a PDF/A document colours are CalRGB and CalGray with the primaries of sRGB. Every part of ISO
// 19005 allows device-independent colour, with any output intent or none, and it needs no embedded
// profile. In other documents colours are DeviceRGB and DeviceGray, which every reader and printer
// treats as sRGB. A transparent image is flattened onto the background if there is one. In a PDF/A
// document without a background it is flattened onto white, because PDF/A-1 forbids transparency
// and the later parts tie it to conditions that depend on the content of the page. Otherwise the
// image has an SMask. An image in CMYK is converted to RGB.
package appearance
