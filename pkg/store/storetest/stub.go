package storetest
var recordTests []test
var journalTests []test
var callTests []test
var concurrencyTests []test
var durabilityTests []test
