package textsearch

// Limits on what one search may cost. An invoice has some thousand operators; a manual of a thousand pages
// has half a million. Together they keep a search of hostile pages to a few seconds.
const (
	maxPages      = 20_000
	maxOperators  = 2_000_000 // of all pages together
	maxContent    = 32 << 20  // decoded bytes of content streams and CMaps, all pages together
	maxShown      = 8_000_000 // characters of all pages together
	maxCharacters = 200_000   // of one page that are laid into lines at once
	maxNesting    = 12        // form XObjects within each other
	maxStates     = 64        // saved graphics states (q without Q); the standard's old limit is 28
	maxForms      = 20_000    // form XObjects drawn
	maxFonts      = 4096      // fonts looked at
	maxCMapBytes  = 4 << 20   // one CMap, decoded
	maxMappings   = 1 << 17   // entries of one CMap, or of one /W
	maxDestBytes  = 64        // characters that one code stands for, as UTF-16
	maxStreams    = 10_000    // content streams of one page
	maxSize       = 1e7       // points; whoever stands farther from the origin is not on the page
)
