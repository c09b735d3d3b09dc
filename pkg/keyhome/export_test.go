package keyhome

// Rules that a Home of the model test can do without.
type Rules = rules

const (
	RuleFirstOwnerWins = ruleFirstOwnerWins
	RuleOneHome        = ruleOneHome
	RuleStopActing     = ruleStopActing
	RuleStopJoining    = ruleStopJoining
	RuleFetchBack      = ruleFetchBack
	RuleJoin           = ruleJoin
	RuleFetchAll       = ruleFetchAll
	RuleNewEpoch       = ruleNewEpoch
	RuleAllMembers     = ruleAllMembers
	RulePassedOn       = rulePassedOn
	RuleEpoch          = ruleEpoch
	RuleAttempt        = ruleAttempt
	RuleSendClaims     = ruleSendClaims
	RuleCopy           = ruleCopy
	RuleHandOver       = ruleHandOver
	RuleConfirm        = ruleConfirm
	RuleExpireLate     = ruleExpireLate
	RuleFollowTime     = ruleFollowTime
	RuleAllHeirs       = ruleAllHeirs
	RuleKeepNew        = ruleKeepNew
	RuleStrangers      = ruleStrangers
	RuleReturned       = ruleReturned
	RuleRemoved        = ruleRemoved

	// Rules that the model itself follows.
	RuleDurable           Rules = 1 << 29 // what a table has written survives a crash
	RuleVersion           Rules = 1 << 30 // a claim replaces only an older one
	RuleClaimBeforeCreate Rules = 1 << 31 // an owner that is asked by a peer claims too
)

// NewWithout returns a Home that does not follow some rules.
func NewWithout(cfg Config, omit Rules) *Home { return newHome(cfg, omit) }

// State returns what the Home knows about itself and its peers.
func (h *Home) State() State { return h.register.look() }

// All returns the instances that are expected or exist.
func (v View) All() []int { return v.all() }
