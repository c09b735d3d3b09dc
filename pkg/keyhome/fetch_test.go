package keyhome_test

import (
	"context"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome/keyhometest"
)

// fixedReply is a transport whose peers answer all messages with the same reply.
type fixedReply keyhome.Reply

// Send implements keyhome.Transport.
func (r fixedReply) Send(context.Context, int, keyhome.Message) (keyhome.Reply, error) {
	return keyhome.Reply(r), nil
}

// TestFetchEnds checks that an instance does not ask for ever if a peer answers a fetch with pages
// that lead nowhere, or with more claims than a page has.
func TestFetchEnds(t *testing.T) {
	for name, reply := range map[string]keyhome.Reply{
		"no progress":     {Answer: keyhome.Done, More: true},
		"too many claims": {Answer: keyhome.Done, Next: 1, Claims: make([]keyhome.Claim, keyhome.PageSize+1)},
	} {
		t.Run(name, func(t *testing.T) {
			h := keyhome.New(keyhome.Config{
				Ordinal: 0, Table: keyhometest.NewMemory("folder"), Transport: fixedReply(reply),
				View: func() keyhome.View { return keyhome.View{Known: true, Expected: 2} }, Clock: newWorld(1),
			})
			if err := h.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			err := h.Tick(t.Context())
			if err == nil || !strings.Contains(err.Error(), "instance 1 sent") || h.Ready() {
				t.Errorf("Tick = %v, ready = %v, want an error that names instance 1", err, h.Ready())
			}
		})
	}
}
