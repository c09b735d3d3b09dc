package xmlc14n

const (
	// maxDepth bounds the stack of open elements. Invoices nest about 15 deep; libxml2 stops at 256
	// by default, and no known profile comes near 1,000.
	maxDepth = 1000

	// maxTagBytes bounds the window, which must hold a whole start tag because its attributes are
	// sorted. The longest tags seen carry a schemaLocation of some kilobytes.
	maxTagBytes = 1 << 20

	// maxAttributes bounds the sorting of one tag. It is far above any schema.
	maxAttributes = 4096

	// maxNamespaces bounds the declarations in scope, each of which inclusive canonicalization
	// writes at an element in its place. Documents have about 20.
	maxNamespaces = 1024

	// maxContextBytes bounds the names, the namespace names and the attributes of the xml namespace
	// that are kept for the open elements. Without it 1,000 open tags of 1 MiB would take 1 GiB.
	maxContextBytes = 1 << 20

	// windowBytes is the size of the window unless a tag needs more. It is large enough that reading
	// costs nothing beside hashing, and stays in the processor's cache.
	windowBytes = 64 << 10

	// maxDeclarationBytes bounds the XML declaration, which is read before the encoding is known.
	// The longest useful one has about 70 characters.
	maxDeclarationBytes = 1024

	// sectionPieceBytes bounds a piece of a comment, a processing instruction or a CDATA section.
	// The search for its end is repeated for each piece, so short pieces keep it linear.
	sectionPieceBytes = 4096

	// maxReferenceBytes bounds a reference in text. Only leading zeros can make one longer than ten
	// bytes.
	maxReferenceBytes = 1024

	// These bound the places that are remembered. An invoice has about 300 places, and at most 40
	// different elements below one; the longest names of UBL have 60 bytes.
	maxPlaces         = 4096
	maxKnownChildren  = 64
	maxKnownNameBytes = 256

	// maxTailBytes bounds the attributes that a place remembers, and maxTailChanges how often it
	// remembers others. Most attributes of invoices are short and always the same, like a currency.
	maxTailBytes   = 64
	maxTailChanges = 16

	// maxLedTagBytes bounds a tag that a place remembers with the blanks in front of it.
	maxLedTagBytes = 192

	// These bound the attributes that a place remembers without their values.
	maxShapeAttributes = 24
	maxShapeBytes      = 512

	// maxPrefixes bounds the table of prefixes that were seen. Above it, prefixes that are not in
	// scope are forgotten.
	maxPrefixes = 4 * maxNamespaces
)
