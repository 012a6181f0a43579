skip = Skip to content
main-navigation = Main
other-language = Français
nav-services = Services
nav-runs = Runs
nav-network = Network
nav-certificates = Certificates
nav-settings = Settings
footer-next-run = next look { $time }
footer-api = API
checked = checked { $time } ago
test-band = Test mode: { $names } is simulated. Nothing real is written there.
test-band-several = Test mode: { $names } are simulated. Nothing real is written there.
demo-band = Demo: everything here is simulated. Nothing real is asked or changed, and nothing of it stays.
demo-band-part = Demo: { $names } are simulated, the rest is real. Containers of the demo run on this machine’s Docker.
not-checked = first look in progress

sync-Synced = Synced
sync-OutOfSync = OutOfSync
sync-Unknown = Unknown
health-Healthy = Healthy
health-Progressing = Progressing
health-Degraded = Degraded
health-Missing = Missing
health-Unknown = Unknown
suspended = Suspended

overview-title = Services
overview-all-well = { $n ->
    [one] 1 service, in sync
   *[other] { $n } services, all in sync
}
overview-counts = { $n ->
    [one] 1 service
   *[other] { $n } services
}
count-synced = { $n } in sync
count-attention = { $n ->
    [one] 1 needs you
   *[other] { $n } need you
}
count-drifted = { $n } drifted
count-moving = { $n } moving
count-unknown = { $n } unknown
count-suspended = { $n } suspended
overview-needs-you = Needs you
overview-all = All services
overview-search = Search name, domain, image
overview-none-found = No service is like that.
overview-first-look = The first look is in progress: Docker, NPM and OVH are being asked.
overview-plan-only = Nothing was applied with this ledger yet. Amarre plans, and changes nothing before somebody says so.
filter-all = All
filter-attention = Needs you
filter-drifted = Drifted
filter-suspended = Suspended
col-service = Service
col-domain = Domain
col-sync = Sync
col-health = Health
col-what-now = What now
col-since = Since
svc-explain = Why it is there
empty-new = Say what it is; its manifest is written for you.
empty-template = Nextcloud, Gitea, Immich and others, ready to use.
empty-unmanaged = What is here already and no manifest names: { $n }.
empty-services = No service yet
empty-source = Manifests are read from { $source }.

act-new-service = New service
act-reconcile-now = Reconcile now
act-reconcile = Reconcile
act-apply = Apply this plan
act-heal = Heal now
act-suspend = Suspend
act-resume = Resume
act-restart = Restart…
act-roll-back = Roll back
act-roll-back-to-this = Roll back to this
act-try-again = Try again
act-cancel = Cancel
act-delete = Delete…
act-delete-now = Delete it
act-edit = Edit
act-check = Check
act-commit = Commit and converge
act-write = Write and converge
act-see-logs = See logs
act-sign-in = Sign in
act-sign-out = Sign out
act-more = More
act-back = Back
act-copy = Copy
copied = Copied

tab-now = Now
tab-history = History
tab-logs = Logs
tab-manifest = Manifest
svc-picture = From the name to the data
svc-drift = { $n ->
    [one] Drift: 1 field
   *[other] Drift: { $n } fields
}
svc-last-applied = Last applied
svc-now = Now
svc-field = Field
svc-missing = It is not there any more
svc-plan = What is done or waits
svc-events = What happened
svc-no-events = Nothing yet.
svc-facts = Facts
svc-host = Host
svc-file = Manifest
svc-network = Network { $name }
svc-dns = DNS
svc-proxy = Proxy and certificate
svc-containers = Containers
svc-volumes = Volumes
svc-none = none
svc-suspended-by = suspended by { $who }: { $why }
svc-suspended-by-whom = suspended by { $who }
svc-unknown = No service { $name } here.
svc-near = Did you mean { $name }?
svc-why = Why?
svc-no-manifest = There is no manifest of it any more.
history-none = No version of it was well in every container yet.
history-revision = Revision
history-since = Well since
history-images = Images
history-current = now

plan-nothing = Nothing to do
plan-create = { $n } to create
plan-update = { $n } to update
plan-delete = { $n } to delete
plan-refused = { $n } refused
plan-title = Plan
plan-why-stop-first = why the old one stops first: { $why }
plan-kept = kept: { $what }
plan-sensitive = (sensitive, changed)

new-title = New service
edit-title = Edit { $name }
new-what = What
new-image = Image
new-name = Name
new-port = Port
new-port-hint = where it listens inside its container; empty: no page
new-address = Address
image-here = here already, { $size }
image-exists = exists for { $platform }, to be pulled
image-elsewhere = exists for { $platforms }, and this engine runs { $platform }
check-unasked = could not be asked: { $why }
check-hidden = { $names } could not be asked; looked at again before anything is made
port-exposes = the image exposes { $ports }
port-suggest = the image exposes { $port }; empty: no page
address-free = { $name } is free in { $names }
tls-left = { $n ->
    [one] { $n } certificate left this week
   *[other] { $n } certificates left this week
}
new-access = Who may see it
new-access-all = everyone
new-tls = TLS
new-tls-letsencrypt = Let's Encrypt
new-tls-none = none
new-environment = Environment
new-environment-hint = NAME=value, one a line
new-volumes = Volumes
new-volumes-hint = name:/path, one a line
new-manifest = will be committed to { $where }
new-written = will be written to { $where }
new-message = Message
new-author = author: { $name }
new-to-settle = { $n ->
    [one] 1 thing to settle
   *[other] { $n } things to settle
}
new-settled = nothing to settle
new-free = free
new-reuse = A service of this name was deleted
new-reuse-yes = it is the same one and gets what that has left
new-reuse-no = it is another one: it needs another name
new-example = e.g. { $text }
template-address = below the domain, or a whole name; empty: { $name }
source-unwritable = Nothing can be saved here: { $why }. You can still fill in the form, check it and copy the manifest.
new-taken = there is a service of this name already
new-only-editors = Only editors write manifests; you may look at what a form would make.
new-committed = { $file } is written.

delete-title = Delete { $name }
delete-removes = Removes { $file } from { $where } as { $who }. Then these go:
delete-type = Type the name to delete it
delete-wrong-name = That is not its name.
delete-several = { $file } holds more than this service: take its document out of it where it comes from.
deleted = { $name } is deleted. Its volumes are kept.

restart-title = Restart { $name }
restart-now = Restart it
rollback-title = Roll { $name } back
rollback-now = Roll it back

login-title = Sign in
login-email = E-mail
login-password = Password
login-wrong = { $n ->
    [0] E-mail or password is wrong. No tries left
    [one] E-mail or password is wrong. 1 try left
   *[other] E-mail or password is wrong. { $n } tries left
}
login-locked = Too many passwords were wrong. Try again in { $time }.
setup-title = The first account
setup-text = It may do everything. Others are added by it.
setup-name = Name, as in commits
setup-password-hint = 12 characters or more
setup-make = Make it
setup-gone = This link is not good any more: there is an account, or Amarre was started again and printed another.

accounts-email = E-mail
accounts-name = Name
accounts-role = Role
accounts-when = When
accounts-who = Who
accounts-action = What
accounts-target = With
accounts-result = Result

network-title = Network
network-counts = { $pool } in /{ $prefix }: { $leased } leased, { $foreign } not ours, { $free } free
network-next = next: { $subnet }
network-full = The pool is full: add one to network.pools.
network-subnet = Subnet
network-who = Who
network-addresses = Addresses
network-not-ours = not ours
network-free = free
network-picture = The pool as a picture; the table below says the same
runs-title = Runs
timeline-title = The last 24 hours
timeline-changed = { $time }, changes: { $changed }
timeline-failed = { $time }, failures: { $failed }, changes: { $changed }
runs-run = Run
runs-began = Began
runs-took = Took
runs-result = Result
runs-changes = Changes
runs-quiet = { $n ->
    [one] and 1 quiet run
   *[other] and { $n } quiet runs
}
runs-none = There was no run yet.
runs-going-on = going on
run-title = Run { $id }
certificates-title = Certificates
certificates-none = NPM has no certificate.
certificates-name = Certificate
certificates-names = Names
certificates-left = How long
certificates-used = Used by
certificates-npm = NPM
certificates-nobody = nobody
certificates-budget = Let's Encrypt this week: { $left } of { $of } left for { $domain }

problem-denied = Your role is { $role }; this needs { $needed }.
problem-too-much = Too many requests. Try again in { $time }.
problem-csrf = This form is out of date. Nothing was done: try again.
problem-page = This page could not be shown. Your services are not affected.
problem-not-here = There is no such page.
problem-method = This page cannot be asked for in that way. Nothing was done.
problem-form = This request could not be read. Nothing was done.
problem-stopping = Amarre is stopping. Try again in a moment.
error-unknown = There is no error code { $code }.
errors-title = Error codes
errors-all = All codes
live-paused = Live updates paused. Reload

## The page of the interface for machines
api-title = Interface for machines
api-about = For whoever writes a program. Every route with what it takes and gives; for tools:
api-who = Who may ask: { $who }
api-parameter = Parameter
api-place = Where
api-kind = Form
api-meaning = Meaning
api-body = Body
api-answer = Answer

filter-no-tls = No TLS
filter-unmanaged = Unmanaged
footer-keys = Keys
footer-theme = Theme:
theme-light = light
theme-dark = dark
theme-auto = as the system
act-save = Save
act-test-again = Test again

## Settings
settings-providers = Providers and hosts
settings-hosts = Hosts
settings-users = Users
settings-tokens = Tokens
settings-notifications = Notifications
settings-audit = What people did
accounts-change = Change
provider-name = Provider
provider-state = State
provider-version = Version
provider-host = Host
provider-address = Public address
provider-data = Data below
provider-up = answers
provider-down = does not answer
provider-auth = does not let us in
provider-looked = Everything was looked at anew.
unmanaged-title = Unmanaged
unmanaged-about = What Docker, NPM and OVH have that no manifest names. Amarre leaves it alone.
unmanaged-none = Nothing is here that no manifest names.
unmanaged-kind = Kind
unmanaged-name = Name
unmanaged-whose = Whose
unmanaged-instance = of the instance { $name }
users-add = Add a user
users-added = { $email } may sign in.
users-changed = { $email } was changed, and has to sign in again.
users-remove = Remove { $email }
tokens-add = Make a token
tokens-made = This is token { $name }. It is shown this once.
tokens-none = No token yet. Programs ask with one: Authorization: Bearer …
tokens-name = Name
tokens-services = Only for these services
tokens-services-hint = names with commas between them; empty: all
tokens-of = Whose
tokens-ends = Ends
tokens-used = Last used
tokens-never = never
tokens-remove = Remove
tokens-removed = Token { $name } opens nothing any more.
notifications-none = Nobody is told anything: see notifications in amarre.yaml.
notifications-name = Channel
notifications-on = Told of
notifications-sent = Last taken
notifications-test = Send a test
notifications-taken = { $name } has taken it; has it arrived?
notifications-not-taken = { $name } did not take it: { $why }

## Keys
keys-title = Keys
keys-about = Nothing that deletes, suspends or rolls back has a key.
keys-on = Switch keys on
keys-off = Switch keys off
keys-search = search
keys-services = services
keys-runs = runs
keys-network = network
keys-certificates = certificates
keys-new = new service
keys-rows = next row, previous row
keys-tabs = tabs of a service
keys-reconcile = reconcile
keys-edit = edit
keys-list = this list
keys-leave = leave the field

## From a template
templates-title = New service from a template
templates-about = Well-known services, ready to run. Your own stand in the folder templates beside amarre.yaml.
templates-from = From a template
templates-from-image = From an image
templates-others = Other templates
templates-name = Template
templates-what = What it is
templates-unknown = There is no template { $name }.
templates-secrets = Secrets that are made with it, and shown nowhere: { $names }
tokens-days = { $n } days
kind-network = network
kind-attachment = attachment
kind-volume = volume
kind-image = image
kind-container = container
kind-zone = zone
kind-record = record
kind-certificate = certificate
kind-access-list = access list
kind-proxy-host = proxy host
kind-redirection = redirection
kind-404-host = 404 host
kind-stream = stream
kind-instance = instance
kind-job = job
kind-pull = pull
kind-healthy = healthy
kind-drain = drain
kind-needs = needs
kind-clean-up = clean up

## The picture of a service
pic-yet = not there yet
pic-next = comes next
pic-after = comes after { $thing }
pic-at = goes on at { $time }
pic-new = new
pic-old = old, serves until the new one is ready
pic-draining = draining
pic-drains = removed at { $time }
pic-breaks = The way breaks between { $from } and { $to }: { $why }
pic-elsewhere = in NPM it leads to { $where }
pic-off = it is switched off in NPM

## A deleted service
deleted-state = Deleted, data kept
deleted-about = Its manifest is gone. A manifest of this name with reuse: true gets this data again.
deleted-title = Deleted, data kept
deleted-left = What is left
deleted-keeps = kept: { $what }
act-purge = Delete its data…
act-purge-now = Delete its data
purge-title = Delete the data of { $name }
purge-removes = This goes for good. Amarre keeps no copy of it.
purge-type = Type the name of the service to delete its data
purge-only-admins = The role admin is needed to delete data.
purge-none = { $name } is no deleted service with data: delete its manifest first.
purged = The data of { $name } is being deleted.
event-created = created
event-updated = updated
event-deleted = deleted
event-failed = failed
event-degraded = degraded
event-adopted = adopted
event-released = released
event-resumed = resumed
event-rolled-back = rolled back
event-rescued = rescued
event-source = source
event-performed = performed
event-not-performed = not performed
event-unknown = unknown
