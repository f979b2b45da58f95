#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tour.sh DATA URL: the main job of troth, step by step, with plain curl.
#
# DATA is a data folder made by `troth init --demo`, URL the address of the daemon that serves it (`make run`). Every
# step says what it does, what was answered, and ends the tour with exit code 1 if the answer is not what was promised.
set -eu

case ${1:-} in
http*) url=$1 data=${2:-data} ;;
*) data=${1:-data} url=${2:-http://127.0.0.1:8080} ;;
esac
here=$(cd "$(dirname "$0")/.." && pwd)
troth=${TROTH:-$here/build/troth}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
answer=$work/answer
status=0

# ---- Small helpers

fail() {
    echo "  FAILED: $*" >&2
    echo "  the answer was: status $status, $(cat "$answer" 2>/dev/null)" >&2
    exit 1
}

title() {
    printf '\n== %s\n' "$*"
}

token() { # SERVICE
    sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p" "$data/demo-tokens.json"
}

# METHOD PATH SERVICE [BODY]: one request; sets $status, leaves the body in $answer.
ask() {
    if [ $# -gt 3 ]; then
        printf '  %s %s\n    %s\n' "$1" "$2" "$4"
        status=$(curl -sS -o "$answer" -w '%{http_code}' -X "$1" -H "Authorization: Bearer $(token "$3")" \
            -H 'Content-Type: application/json' --data-binary "$4" "$url$2")
    else
        printf '  %s %s\n' "$1" "$2"
        status=$(curl -sS -o "$answer" -w '%{http_code}' -X "$1" -H "Authorization: Bearer $(token "$3")" "$url$2")
    fi
}

# STATUS [TEXT...]: what was promised; every TEXT must be in the answer. Blanks do not count.
expect() {
    [ "$status" = "$1" ] || fail "status $1 was promised"
    shift
    tr -d ' \n' <"$answer" >"$work/plain"
    for text in "$@"; do
        grep -qF -- "$(printf '%s' "$text" | tr -d ' ')" "$work/plain" || fail "the answer does not hold $text"
    done
    printf '    -> %s %s\n' "$status" "$*"
}

operator() { # the operator's own tool, on the machine of the daemon
    echo "  troth $*"
    "$troth" "$@" --data "$data" >"$answer" 2>&1 || fail "troth $1 $2 did not work"
}

absent() { # TEXT: must not be in the answer
    if grep -qF -- "$1" "$answer"; then
        fail "the answer holds $1"
    fi
}

member() { # NAME: the string member of this name in the answer
    sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p" "$answer" | head -n 1
}

number() { # NAME: the number of this name
    sed -n "s/.*\"$1\" *: *\([0-9][0-9]*\).*/\1/p" "$answer" | head -n 1
}

# ---- The tour

# The daemon may still be starting.
for _ in 1 2 3 4 5 6 7 8 9 10; do
    curl -sf -o "$answer" "$url/healthz" && break
    sleep 1
done
[ -s "$answer" ] || {
    echo "  FAILED: no troth answers at $url; start one with \`make run\`" >&2
    exit 1
}

# Run twice on one folder, the tour must not trip over its own phone numbers.
stamp=$(date +%s)
phone="+86138$(printf '%08d' $((stamp % 100000000)))"
address="Lane $stamp, House 7, Hangzhou"

title "1. A person registers with the shop"
ask POST /v1/subjects shop '{"birth_date":"1990-05-05"}'
expect 201 '"band":"adult"' '"group"'
adult=$(member id)

title "2. Nothing is collected before the person agreed to the policy"
ask PUT "/v1/subjects/$adult/data" shop "{\"purpose\":\"delivery\",\"values\":{\"order-address\":\"$address\"}}"
expect 403 '"reason":"no_agreement"' '"clause":"group/'
ask POST "/v1/subjects/$adult/consents" shop \
    '{"document":"group","state":"given","language":"en","channel":"web"}'
expect 201 '"receipt"'

title "3. Phone and address are collected, each for its purpose"
ask PUT "/v1/subjects/$adult/data" shop \
    "{\"purpose\":\"registration-login\",\"values\":{\"contact-phone\":\"$phone\"}}"
expect 200 '"stored":1'
ask PUT "/v1/subjects/$adult/data" shop "{\"purpose\":\"delivery\",\"values\":{\"order-address\":\"$address\"}}"
expect 200 '"stored":1'

title "4. The shop reads the phone for a delivery: allowed; to show it on a screen: masked"
ask POST "/v1/subjects/$adult/read" shop '{"purpose":"delivery","fields":["contact-phone"]}'
expect 200 '"answer":"allow"' '"masked":false' '"clause":"group/order.place"'
ask POST "/v1/subjects/$adult/read" shop '{"purpose":"delivery","operation":"display","fields":["contact-phone"]}'
expect 200 '"answer":"allow-masked"' '"masked":true'
absent "$phone"

title "5. For marketing it needs a consent of its own"
marketing='{"purpose":"direct-marketing","fields":["contact-phone"]}'
ask POST "/v1/subjects/$adult/read" shop "$marketing"
expect 403 '"reason":"consent_required"' '"needs":["consent"]'
ask POST "/v1/subjects/$adult/consents" shop \
    '{"need":"consent","purpose":"direct-marketing","state":"given","channel":"web"}'
expect 201 '"receipt"'
ask POST "/v1/subjects/$adult/read" shop "$marketing"
expect 200 '"answer":"allow"'

title "6. Withdrawn: refused at once"
ask POST "/v1/subjects/$adult/consents" shop \
    '{"need":"consent","purpose":"direct-marketing","state":"withdrawn","channel":"web"}'
expect 201 '"receipt"'
ask POST "/v1/subjects/$adult/read" shop "$marketing"
expect 403 '"reason":"withdrawn"'

title "7. A child in a game: nothing before the guardian agreed"
ask POST /v1/subjects arena "{\"birth_date\":\"$(($(date +%Y) - 8))-01-02\"}"
expect 201 '"band":"child"' '"awaiting_guardian"' '"children"' '"games"'
child=$(member id)
identity='{"purpose":"registration-login","values":{"id-real-name":"Lin Xiaoyu"},"evidence":{"legal-trigger":"game real-name rule"}}'
ask PUT "/v1/subjects/$child/data" arena "$identity"
expect 403 '"reason":"guardian_required"' '"clause":"children/'

title "8. The guardian is verified, agrees, and consents"
ask POST /v1/subjects arena '{"birth_date":"1985-01-15"}'
expect 201 '"band":"adult"'
guardian=$(member id)
ask POST "/v1/subjects/$child/guardians" arena \
    "{\"guardian\":\"$guardian\",\"verified\":true,\"evidence\":\"phone check 2026-17\"}"
expect 201 '"verified":true'
for document in group games children; do
    ask POST "/v1/subjects/$child/consents" arena "{\"document\":\"$document\",\"state\":\"given\",\"actor\":\"guardian\",\"guardian\":\"$guardian\",\"language\":\"en\",\"channel\":\"web\"}"
    expect 201
done
ask POST "/v1/subjects/$child/consents" arena "{\"need\":\"guardian-consent\",\"purpose\":\"registration-login\",\"state\":\"given\",\"actor\":\"guardian\",\"guardian\":\"$guardian\",\"channel\":\"web\"}"
expect 201 '"state":"active"'
ask PUT "/v1/subjects/$child/data" arena "$identity"
expect 200 '"stored":1' '"clause":"games/'

title "9. Staff do not see a child's data without the approval of the officer in charge"
ask POST "/v1/subjects/$child/read" arena \
    '{"purpose":"customer-service","operation":"display","actor":"staff:agent-1","fields":["profile-nickname"]}'
expect 403 '"clause":"children/' '"approval_required"'

title "10. A parcel service gets the address only with its papers in force, and it is on record"
parcels=parcels-$stamp
operator recipient add "$parcels" --class logistics-company --title "Parcels of the tour"
operator recipient grant "$parcels" --purpose delivery --fields order-address,order-recipient-name --until 2036-01-01
share="{\"recipient\":\"$parcels\",\"purpose\":\"delivery\",\"fields\":[\"order-address\"],\"evidence\":{\"order\":\"17\"}}"
ask POST "/v1/subjects/$adult/shares" shop "$share"
expect 403 '"reason":"agreement_expired"' '"needs":["confidentiality"]'
operator recipient paper "$parcels" --kind confidentiality --reference "contract 2026-4" --until 2036-01-01
ask POST "/v1/subjects/$adult/shares" shop "$share"
expect 200 '"answer":"allow"' '"record_disclosure"' '"share"'
ask GET "/v1/subjects/$adult/shares" shop
expect 200 "\"recipient\":\"$parcels\"" '"order-address"'
ask GET "/v1/subjects/$adult/history" shop
expect 200 '"share"' "\"$parcels\""

title "11. Erased: gone from the database, its log and the keys; the receipt stays"
ask DELETE "/v1/subjects/$adult" shop
expect 200 '"erased":true' '"receipt"'
receipt=$(number entry)
ask GET "/v1/subjects/$adult" shop
expect 410
for file in "$data"/*.db "$data"/*.db-wal; do
    if [ -e "$file" ] && grep -qaF -e "$phone" -e "$address" "$file"; then
        fail "$file still holds the phone or the address"
    fi
done
echo "    -> neither phone nor address in any database file"

title "12. The receipt proves itself against the signed record"
for _ in 1 2 3 4 5 6 7 8 9 10; do
    ask GET "/audit/proof/$receipt" shop
    [ "$status" = 503 ] || break
    sleep 1
done
expect 200
head -n 2 "$answer" | sed 's/^/    /'
ask GET /audit/checkpoint shop
expect 200

title "13. Anyone can recompute the record"
"$troth" audit verify "$data" | sed 's/^/    /'

title "14. One flipped byte, and verify names the place"
cp -r "$data/audit" "$work/audit"
segment=$(find "$work/audit" -name 'segment-*' | sort | head -n 1)
byte=$(od -An -tu1 -j 40 -N 1 "$segment" | tr -d ' ')
printf "\\$(printf '%03o' $((byte ^ 1)))" | dd of="$segment" bs=1 seek=40 conv=notrunc 2>/dev/null
if "$troth" audit verify "$work" >"$answer" 2>&1; then
    fail "verify did not see the flipped byte"
fi
sed 's/^/    /' "$answer"

printf '\nThe tour is done: every step answered as promised.\n'
