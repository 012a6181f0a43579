# The account and all that it owns are gone by now.
rm -rf /scratch/*
