package connlimit

import (
	"errors"
	"os"
)

// firstHeadBytes is the first size of the buffer for a head that did not come in one piece. Most
// heads fit into it.
const firstHeadBytes = 1 << 10

// headReader reads the heads of the requests of a connection and checks their limits. Only the
// reader of the connection uses it.
type headReader struct {
	conn *conn

	buf     []byte // bytes from the network that were not handed over yet
	scanned int    // bytes at the start of buf that were scanned
	ready   int    // bytes at the start of buf that may be handed over
	whole   bool   // a head ends there
	err     error  // to be returned when buf is empty
}

// read reads until a head is complete, and hands over as much of it as fits into p.
func (h *headReader) read(p []byte) (int, error) {
	for h.ready == 0 {
		if h.scanned < len(h.buf) {
			n, exceeded := h.scan(h.buf[h.scanned:])
			if exceeded {
				return 0, h.refuse(p)
			}
			if h.scanned += n; h.whole {
				h.ready = h.scanned
				h.conn.position.seePreface(h.buf[:h.ready])
				break
			}
		}
		if h.conn.position.exceeded() { // the head was read together with the previous body
			return 0, h.refuse(p)
		}
		if h.err != nil { // net/http decides what to do with an unfinished head
			if h.ready = len(h.buf); h.ready == 0 {
				return 0, h.err
			}
			break
		}
		if len(h.buf) == 0 && len(p) >= readAhead {
			if n, err := h.readWhole(p); n > 0 || err != nil {
				return n, err
			}
			continue
		}
		if err := h.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, h.buf[:h.ready])
	h.consume(n)
	if h.ready == 0 && h.whole {
		h.handedOver()
	}
	return n, nil
}

// readWhole reads directly into p, and hands p over if it contains a complete head. This is the
// usual case, and it copies nothing.
func (h *headReader) readWhole(p []byte) (int, error) {
	n, err := h.conn.read(p)
	end, exceeded := h.scan(p[:n])
	switch {
	case exceeded:
		return 0, h.refuse(p)
	case h.whole:
		h.buf, h.err = append(h.buf, p[end:n]...), permanent(err)
		h.conn.position.seePreface(p[:end])
		h.handedOver()
		return end, nil
	case n > 0:
		h.buf = append(make([]byte, 0, max(firstHeadBytes, n)), p[:n]...)
		h.scanned = n
		h.conn.limitHeadTime()
	}
	h.err = permanent(err)
	if h.err != nil {
		return 0, nil // read hands over what was read
	}
	return 0, err
}

// fill reads more bytes into buf. It keeps a permanent error for later.
func (h *headReader) fill() error {
	if cap(h.buf) == len(h.buf) {
		size := min(max(2*len(h.buf), firstHeadBytes), h.conn.listener.cfg.MaxHeadBytes+firstHeadBytes)
		h.buf = append(make([]byte, 0, max(size, len(h.buf)+1)), h.buf...)
	}
	n, err := h.conn.read(h.buf[len(h.buf):cap(h.buf)])
	began := len(h.buf) == 0 && n > 0
	h.buf = h.buf[:len(h.buf)+n]
	if began {
		h.conn.limitHeadTime()
	}
	if h.err = permanent(err); h.err != nil {
		return nil
	}
	return err
}

// take hands over bytes that were read together with a head. It returns 0 and no error if there are
// none and the connection can still be read.
func (h *headReader) take(p []byte) (int, error) {
	if len(h.buf) == 0 {
		return 0, h.err
	}
	n := copy(p, h.buf)
	h.consume(n)
	return n, nil
}

// scan scans bytes of a head and returns how many it scanned. It sets whole at the end of the head.
func (h *headReader) scan(b []byte) (n int, exceeded bool) {
	n, h.whole, exceeded = h.conn.position.scanHead(b)
	return n, exceeded
}

// consume removes n bytes from the front of buf. It releases an empty buffer, so that an idle
// connection holds none.
func (h *headReader) consume(n int) {
	h.buf, h.scanned, h.ready = h.buf[n:], max(h.scanned-n, 0), max(h.ready-n, 0)
	if len(h.buf) == 0 {
		h.buf = nil
	}
}

// handedOver records that a whole head was handed over.
func (h *headReader) handedOver() {
	h.scanned, h.ready = 0, 0
	h.conn.position.headDone()
}

// refuse drops what was read and answers 431.
func (h *headReader) refuse(p []byte) error {
	h.buf, h.scanned, h.ready = nil, 0, 0
	return h.conn.refuse(p)
}

// permanent returns err, or nil if the connection can still be read after it. net/http ends its own
// reads by a deadline, which is not permanent.
func permanent(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}
