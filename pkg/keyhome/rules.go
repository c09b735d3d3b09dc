package keyhome

// rules is a set of rules of the protocol that are taken out. It is empty except in the model test,
// which shows that each rule is needed.
type rules uint32

const (
	ruleFirstOwnerWins rules = 1 << iota // a claim of another owner is kept
	ruleOneHome                          // an instance acts only if all above it handed over to it
	ruleStopActing                       // an instance that hands over decides no more
	ruleStopJoining                      // an instance that is stopped does not become a member
	ruleFetchBack                        // an instance that returns fetches its claims back before it acts
	ruleJoin                             // an instance with a new folder fetches its claims before it acts
	ruleFetchAll                         // an instance that joins fetches also what its peers had before
	ruleNewEpoch                         // an instance that joins has a new epoch at each start
	ruleAllMembers                       // an instance joins with all members, not only with those that answer
	rulePassedOn                         // the heir of an heir needs the claims of both
	ruleEpoch                            // a message of an earlier epoch is refused
	ruleAttempt                          // a release names the attempt
	ruleSendClaims                       // a hand-over sends the claims that have no copy
	ruleCopy                             // the second home has a copy
	ruleHandOver                         // a planned stop hands over
	ruleConfirm                          // the owner is asked before a claim expires
	ruleExpireLate                       // a claim of a removed owner stays for a while after its expiry
	ruleFollowTime                       // the version of a claim is not behind the time
	ruleAllHeirs                         // a hand-over ends when all heirs act, and is repeated without others
	ruleKeepNew                          // a claim whose version is ahead of the clock is not removed
	ruleStrangers                        // an instance joins with those that asked it about a key
	ruleReturned                         // an instance that joins again is not the one that left
	ruleRemoved                          // a removed instance is not waited for
)

func (r rules) has(one rules) bool { return r&one != 0 }
