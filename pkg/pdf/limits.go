package pdf

// Limits on the work and the memory that a file can cost. They are far above what real documents
// need and far below what would harm the proxy.
const (
	headerWindow   = 1024      // bytes that may stand before %PDF- (ISO 32000-1 Annex H.3 note 13)
	trailerWindow  = 2048      // bytes that are searched for startxref, before trailing white space and zeros
	maxPadding     = 1 << 20   // trailing white space and zeros that are skipped
	maxObjects     = 8_388_607 // ISO 32000-1 Annex C.2: indirect objects in a file
	maxSections    = 4096      // cross-reference sections; each revision has one
	maxSubsections = 1 << 17   // subsections of one table, or pairs of one /Index
	maxGap         = 256       // white space before a cross-reference section
	maxXrefBytes   = 32 << 20  // sum of all decoded cross-reference streams
	maxDepth       = 100       // nested arrays and dictionaries
	maxObjectBytes = 8 << 20   // source text of one object, without stream data
	maxItems       = 1 << 19   // values in one object
	maxTokenBytes  = 4096      // a name, number or keyword
	maxObjStmBytes = 16 << 20  // one decoded object stream
	maxDecoded     = 256 << 20 // sum of all streams decoded for one document
	minParsed      = 8 << 20   // source text of all objects parsed for one document, counted each time they are parsed
	parsedPerByte  = 32        // added to minParsed for each byte of the file; searching a manual of 1,000 pages takes 1.3
	maxParsed      = 128 << 20 // upper bound of that sum: a few seconds of work, 20 times what that manual takes
	maxFilters     = 8         // filters of one stream
	maxPageDepth   = 64        // levels of the page tree
	maxPageNodes   = 200_000   // page tree nodes visited to find one page
	maxPageKids    = 400_000   // entries of their /Kids
	maxTreeLook    = 50        // page tree nodes that CheckPageTree visits
	maxRefChain    = 32        // references to references
	maxCachedBytes = 1 << 20   // source text of the objects in the object cache
	maxCachedStm   = 8 << 20   // decoded object streams in the cache
	lengthSlack    = 64        // bytes behind stream data that are searched for endstream
)
