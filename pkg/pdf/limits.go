package pdf

// Limits on what a file may make us do. They are far above what real documents need and far below
// what hurts.
const (
	headerWindow   = 1024      // where readers look for %PDF- (ISO 32000-1 Annex H.3 note 13)
	trailerWindow  = 2048      // where startxref is looked for, before trailing white space and zeros
	maxPadding     = 1 << 20   // trailing white space and zeros that are stepped over
	maxObjects     = 8_388_607 // ISO 32000-1 Annex C.2: indirect objects in a file
	maxSections    = 4096      // cross-reference sections: one for each revision
	maxSubsections = 1 << 17   // of one cross-reference table, or pairs of one /Index
	maxGap         = 256       // white space before a cross-reference section
	maxXrefBytes   = 32 << 20  // decoded cross-reference streams, together
	maxDepth       = 100       // nested arrays and dictionaries
	maxObjectBytes = 8 << 20   // source text of one object, without stream data
	maxItems       = 1 << 19   // values in one object
	maxTokenBytes  = 4096      // a name, number or keyword
	maxObjStmBytes = 16 << 20  // one decoded object stream
	maxDecoded     = 256 << 20 // all streams decoded for one document, together
	minParsed      = 8 << 20   // source text of all objects parsed for one document, counted each time they are parsed
	parsedPerByte  = 32        // added to minParsed for each byte of the file; searching a manual of 1,000 pages takes 1.3
	maxParsed      = 128 << 20 // upper bound of that sum: a few seconds of work, 20 times what that manual takes
	maxFilters     = 8         // filters of one stream
	maxPageDepth   = 64        // levels of the page tree
	maxPageNodes   = 200_000   // page tree nodes looked at for one page
	maxPageKids    = 400_000   // entries of their /Kids
	maxTreeLook    = 50        // page tree nodes looked at for a loop
	maxRefChain    = 32        // references to references
	maxCachedBytes = 1 << 20   // source text of objects kept parsed
	maxCachedStm   = 8 << 20   // decoded object streams kept
	lengthSlack    = 64        // bytes looked at behind stream data for endstream
)
