"""`setup migrate`: what the CronJob way left in a cluster, and the plan that removes it; nothing is executed."""
