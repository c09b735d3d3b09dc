package pdf

// packedCost is what parsing an object of an object stream costs at least. No block is read for it,
// but it takes time to find it.
const packedCost = 64

// parseBudget limits the source text that is parsed for one document. Objects that are too large
// for the cache are parsed again at each reference, so the size of the file alone does not limit
// it.
type parseBudget struct {
	used  int64 // bytes
	limit int64
}

// check returns an error if the budget is used up. Call it before parsing an object.
func (b *parseBudget) check() error {
	if b.used > b.limit {
		return tooComplex("its objects must be parsed too often: more than %d bytes in total", b.limit)
	}
	return nil
}

// charge counts parsed bytes, also if parsing failed. The smallest object costs as much as the
// block that is read for it.
func (b *parseBudget) charge(bytes int64) { b.used += max(bytes, firstChunk) }

// chargePacked counts the parsed bytes of an object of an object stream.
func (b *parseBudget) chargePacked(bytes int64) { b.used += max(bytes, packedCost) }
