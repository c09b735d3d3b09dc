package pdf

import "slices"

// objectCache keeps small parsed objects. When it is full it drops everything, because callers ask
// for the same objects again within a short time.
type objectCache struct {
	objects map[Ref]Object
	bytes   int64 // source text of the kept objects
}

func (c *objectCache) get(ref Ref) (Object, bool) {
	o, ok := c.objects[ref]
	return o, ok
}

func (c *objectCache) put(ref Ref, o Object, size int64) {
	if size > maxCachedBytes/4 {
		return
	}
	if c.objects == nil || c.bytes+size > maxCachedBytes {
		c.objects, c.bytes = map[Ref]Object{}, 0
	}
	c.objects[ref] = o
	c.bytes += size
}

// streamCache keeps the object streams that were used most recently; the newest is the last
// element.
type streamCache struct {
	streams []*objectStream
	bytes   int
}

func (c *streamCache) get(number int) *objectStream {
	i := slices.IndexFunc(c.streams, func(s *objectStream) bool { return s.number == number })
	if i < 0 {
		return nil
	}
	s := c.streams[i]
	c.streams = append(slices.Delete(c.streams, i, i+1), s)
	return s
}

func (c *streamCache) put(s *objectStream) {
	c.streams = append(c.streams, s)
	c.bytes += len(s.data)
	for c.bytes > maxCachedStm && len(c.streams) > 1 {
		c.bytes -= len(c.streams[0].data)
		c.streams[0] = nil
		c.streams = c.streams[1:]
	}
}
