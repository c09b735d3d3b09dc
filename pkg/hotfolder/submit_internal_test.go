package hotfolder

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// discarding is an upload that keeps nothing.
type discarding struct{ signing.Upload }

func (discarding) AddShared(r io.Reader) (signing.Content, error) {
	_, err := io.Copy(io.Discard, r)
	return signing.Content{}, err
}

// TestImagesAreNotKept keeps the images of sidecars out of the memory, also if each file of a run
// has another one.
func TestImagesAreNotKept(t *testing.T) {
	s := &submission{upload: discarding{}}
	s.images = make(map[[32]byte]*signing.Content)
	live := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := live()
	const images, size = 32, 1 << 20
	for i := range images {
		v := &clientservice.VisibleSignatureInfo{ImageValue: fmt.Sprintf("%04d", i) + strings.Repeat("AAAA", size/4)}
		if _, err := s.visible(v); signing.KindOf(err) == signing.KindInternal {
			t.Fatal(err)
		}
	}
	if after := live(); after > before+images*size/4 {
		t.Errorf("the heap grew by %d MiB for %d images of 1 MiB", (after-before)>>20, images)
	}
	runtime.KeepAlive(s)
	if len(s.images) != images {
		t.Errorf("%d images were stored, want %d", len(s.images), images)
	}
}
