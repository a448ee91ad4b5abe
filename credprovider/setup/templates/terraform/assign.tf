
# The identity has to be on the machines of every node pool as well, which AKS itself makes: ../azure.sh does that part,
# and finds the identity that was made here.
