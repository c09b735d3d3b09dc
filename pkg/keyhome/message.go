package keyhome

import (
	"context"
	"errors"
	"slices"
)

// Kind is the kind of a Message. README.md says what each kind guarantees.
type Kind string

const (
	KindClaim    Kind = "claim"    // may From create the operation of Claim.Key?
	KindQuery    Kind = "query"    // who owns Claim.Key? It changes nothing
	KindRelease  Kind = "release"  // From has not created the operation of Claim and will not
	KindCopy     Kind = "copy"     // keep copies of Claims
	KindHandOver Kind = "handover" // From leaves; act for it
	KindFetch    Kind = "fetch"    // From joins or returns; give it its claims
	KindConfirm  Kind = "confirm"  // which of Claims, which the receiver owns, are still needed?
	KindHint     Kind = "hint"     // the operation of a reference is at Claim.Owner
	KindFindHint Kind = "findhint" // where is the operation of the reference Claim.Key?
)

// Message is a question or an order from one instance to another. Every message may be lost, may
// arrive twice or late, and may have been obeyed although the sender got no reply.
type Message struct {
	Kind  Kind  `json:"kind"`
	From  int   `json:"from"`           // ordinal of the sender, which Transport must have authenticated
	Claim Claim `json:"claim,omitzero"` // Claim, Release; Query uses its Key only
	// Claims are at most PageSize claims. Copy, HandOver, Confirm.
	Claims []Claim `json:"claims,omitempty"`

	// HandOver and Fetch.
	Standing Standing `json:"standing,omitempty"` // of the sender
	Epoch    uint64   `json:"epoch,omitempty"`
	Clock    uint64   `json:"clock,omitempty"`
	Folder   string   `json:"folder,omitempty"` // identity of the sender's state folder

	// HandOver. Until Last the receiver only keeps the claims; with Last it acts for the sender.
	Last    bool           `json:"last,omitempty"`
	ForGood bool           `json:"forGood,omitempty"`
	Heirs   []int          `json:"heirs,omitempty"`
	Held    map[int]uint64 `json:"held,omitempty"`

	// Fetch. Without Commit the receiver goes on acting for the sender.
	After    int64  `json:"after,omitempty"`
	Commit   bool   `json:"commit,omitempty"`
	Removals uint64 `json:"removals,omitempty"` // State.Removals of the sender
}

// PageSize is the largest number of claims in one message. A message then has about 200 kB.
const PageSize = 1000

// Answer is the kind of a Reply.
type Answer string

const (
	// Granted lets the sender create the operation. The claim is durable.
	Granted Answer = "granted"
	// Known names the owner of the key.
	Known Answer = "known"
	// Unknown is the certain answer of the key's home that nobody has claimed it.
	Unknown Answer = "unknown"
	// NotHome means that the instance may not decide and knows no claim. DeferTo may.
	NotHome Answer = "not home"
	// Stale means that the message belongs to an earlier attempt or epoch than Clock.
	Stale Answer = "stale"
	// Done means that the message was obeyed, and that the effect is durable.
	Done Answer = "done"
	// Declined means that the instance cannot obey now, because it is leaving or joining.
	Declined Answer = "declined"
)

// Reply is the answer to a Message.
type Reply struct {
	Answer   Answer   `json:"answer"`
	Standing Standing `json:"standing,omitempty"` // of the instance that answers
	Owner    int      `json:"owner,omitempty"`    // with Known
	// Differs says that the known claim was made for a request with another fingerprint.
	Differs bool `json:"differs,omitempty"`
	// DeferTo is the instance that may decide, if the one that answers may not; -1 = not known.
	DeferTo int `json:"deferTo,omitempty"`

	// To HandOver and Fetch.
	Epoch  uint64 `json:"epoch,omitempty"`
	Clock  uint64 `json:"clock,omitempty"`
	Folder string `json:"folder,omitempty"`
	// Removals is State.Removals of the instance that answers.
	Removals uint64  `json:"removals,omitempty"`
	Claims   []Claim `json:"claims,omitempty"` // of Fetch, and those of Confirm that are still needed
	// Next is the position up to which the claims were looked at.
	Next int64 `json:"next,omitempty"`
	// More says that there are claims after Next. Commit had no effect then.
	More    bool     `json:"more,omitempty"`
	Members []Member `json:"members,omitempty"` // all peers that the instance knows
}

// Member is what one instance tells about a peer.
type Member struct {
	Ordinal int    `json:"ordinal"`
	Epoch   uint64 `json:"epoch"`
	Left    bool   `json:"left,omitempty"` // for good
}

// Errors of a Transport.
var (
	// ErrNoAnswer means that the peer did not answer. It may have obeyed the message.
	ErrNoAnswer = errors.New("the instance does not answer")
	// ErrLegacy means that the peer is of a release without key homes. It has not obeyed.
	ErrLegacy = errors.New("the instance knows no key homes")
)

// Transport sends messages to peers. It is safe for concurrent use.
type Transport interface {
	// Send sends a message to the instance with that ordinal and returns its reply. Send returns
	// within the time that ctx allows, with ErrNoAnswer if there is no reply, and with ErrLegacy if
	// the peer does not know the message. It does not repeat the message.
	Send(ctx context.Context, to int, m Message) (Reply, error)
}

// View is which instances the operator wants, as this instance knows it. Views of different
// instances may differ for a while.
type View struct {
	// Known is false until the list of instances was read.
	Known bool
	// Expected is the number of instances. Their ordinals are 0 to Expected-1.
	Expected int
	// Removals counts, by ordinal, how often Expected was lowered so far that the instance was not
	// expected any more. A missing number is 0.
	Removals []uint64
	// Listed are the ordinals of the instances that exist, whether they are expected or not. An
	// instance that is neither expected nor listed does not run.
	Listed []int
}

// absent reports whether an instance is neither expected nor exists.
func (v View) absent(ordinal int) bool {
	return v.Known && ordinal >= v.Expected && !slices.Contains(v.Listed, ordinal)
}

// all returns the ordinals of the instances that are expected or exist.
func (v View) all() []int {
	list := make([]int, v.Expected)
	for o := range list {
		list[o] = o
	}
	for _, o := range v.Listed {
		if o >= v.Expected {
			list = append(list, o)
		}
	}
	return list
}

// removals returns how often an instance was removed.
func (v View) removals(ordinal int) uint64 {
	if ordinal >= len(v.Removals) {
		return 0
	}
	return v.Removals[ordinal]
}

// removed reports whether an instance was removed since it joined. removals is the number of its
// removals when it joined.
func (v View) removed(ordinal int, removals uint64) bool {
	return v.absent(ordinal) && v.removals(ordinal) > removals
}

// Holdings knows the operations of this instance. It is safe for concurrent use.
type Holdings interface {
	// Holds reports whether this instance holds an operation that was made with the key.
	Holds(ctx context.Context, key Key) (bool, error)
}
