package textsearch

// budget is what one search may cost in all.
type budget struct {
	operators int   // carried out
	shown     int   // characters
	forms     int   // form XObjects drawn
	content   int64 // decoded bytes of content streams and CMaps
	streams   int   // opened
}

// usual is every search's budget. An invoice has some thousand operators; a manual of a thousand
// pages has half a million. It keeps a search of hostile pages to a few seconds.
var usual = budget{operators: 2_000_000, shown: 8_000_000, forms: 20_000, content: 32 << 20, streams: 400_000}

// Other limits.
const (
	maxPages      = 20_000
	maxCharacters = 200_000 // of one page that are laid into lines at once
	maxNesting    = 12      // form XObjects within each other
	maxStates     = 64      // saved graphics states (q without Q); the standard's old limit is 28
	maxFonts      = 4096    // fonts looked at
	maxCMapBytes  = 4 << 20 // one CMap, decoded
	maxMappings   = 1 << 17 // entries of one CMap, or of one /W
	maxDestBytes  = 64      // what one code stands for, as UTF-16
	maxStreams    = 10_000  // content streams of one page
	maxSize       = 1e7     // points; whoever stands farther from the origin is not on the page
)
