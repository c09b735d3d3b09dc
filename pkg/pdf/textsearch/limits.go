package textsearch

// budget is what one search may cost in total.
type budget struct {
	operators int   // carried out
	shown     int   // characters of shown strings
	forms     int   // form XObjects drawn
	content   int64 // decoded bytes of content streams and CMaps
	streams   int   // opened
}

// defaultBudget is the budget of every search. An invoice has some thousand operators; a manual of
// a thousand pages has half a million. The budget limits a search of hostile pages to a few
// seconds.
var defaultBudget = budget{operators: 2_000_000, shown: 8_000_000, forms: 20_000, content: 32 << 20, streams: 400_000}

// Other limits.
const (
	maxPages      = 20_000
	maxCharacters = 200_000 // characters of one page that are arranged in lines at once
	maxNesting    = 12      // levels of nested form XObjects
	maxStates     = 64      // saved graphics states (q without Q); the old limit of the standard is 28
	maxFonts      = 4096    // fonts that are read
	maxCMapBytes  = 4 << 20 // one CMap, decoded
	maxMappings   = 1 << 17 // entries of one CMap, or of one /W
	maxDestBytes  = 64      // text of one code, as UTF-16
	maxStreams    = 10_000  // content streams of one page
	maxSize       = 1e7     // points; a character farther from the origin is not on the page
)
