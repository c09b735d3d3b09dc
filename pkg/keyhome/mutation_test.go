package keyhome_test

import (
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
)

// maxMutated bounds the schedules until a rule that is taken out must be missed.
const maxMutated = 300

// raceDetector is set with the race detector.
var raceDetector bool

// TestMutations takes each rule out of the protocol and checks that the model then finds a violated
// invariant. So the model notices if a rule is lost. The rules that random schedules hardly need
// have tests of their own; see README.md.
func TestMutations(t *testing.T) {
	const (
		twice   = "creates an operation although"
		refused = "was refused"
		stuck   = "does not act"
	)
	for _, m := range []struct {
		rule   string
		omit   keyhome.Rules
		breaks []string
		first  uint64 // seed that found it when this was written, so that the test is fast
	}{
		{"the first owner wins", keyhome.RuleFirstOwnerWins, []string{twice}, 1},
		{"one home acts", keyhome.RuleOneHome, []string{twice}, 1},
		{"an instance that returns fetches back", keyhome.RuleFetchBack, []string{twice}, 191},
		{"a new folder joins", keyhome.RuleJoin, []string{twice}, 1},
		{"each start that joins has an epoch", keyhome.RuleNewEpoch, []string{twice}, 30001833},
		{"all members are asked", keyhome.RuleAllMembers, []string{twice}, 1},
		{"newer claims win", keyhome.RuleVersion, []string{twice}, 1},
		{"a hand-over sends claims without a copy", keyhome.RuleSendClaims, []string{twice}, 1},
		{"the second home has a copy", keyhome.RuleCopy, []string{refused}, 1},
		{"a planned stop hands over", keyhome.RuleHandOver, []string{refused}, 1},
		{"the owner confirms an expiry", keyhome.RuleConfirm, []string{twice}, 1},
		{"a removed instance is not waited for", keyhome.RuleRemoved, []string{stuck, refused}, 1},
		{"a claim is durable before the answer", keyhome.RuleDurable, []string{twice}, 1},
		{"the owner claims too", keyhome.RuleClaimBeforeCreate, []string{twice}, 1},
	} {
		t.Run(m.rule, func(t *testing.T) {
			if testing.Short() || raceDetector {
				t.Skip("the mutations are not tried in short mode, or with the race detector")
			}
			first := max(m.first, *seed)
			for i := range uint64(maxMutated) {
				for _, fault := range runSchedule(first+i, m.omit, nil).faults {
					for _, want := range m.breaks {
						if strings.Contains(fault, want) {
							t.Logf("seed %d: %s", first+i, strings.SplitN(fault, "\n", 2)[0])
							return
						}
					}
				}
			}
			t.Errorf("without this rule %d schedules violate no invariant", maxMutated)
		})
	}
}
