skip = Aller au contenu
main-navigation = Principale
other-language = English
nav-services = Services
nav-runs = Passages
nav-network = Réseau
nav-certificates = Certificats
nav-settings = Réglages
footer-next-run = prochain passage { $time }
footer-api = API
checked = vérifié il y a { $time }
test-band = Mode test : { $names } est simulé. Rien de réel n’y est écrit.
test-band-several = Mode test : { $names } sont simulés. Rien de réel n’y est écrit.
demo-band = Démonstration : tout est simulé ici. Rien de réel n’est interrogé ni modifié, et rien n’en reste.
demo-band-part = Démonstration : { $names } sont simulés, le reste est réel. Les conteneurs tournent dans le Docker de cette machine.
not-checked = premier passage en cours

sync-Synced = Synchronisé
sync-OutOfSync = En écart
sync-Unknown = Inconnu
health-Healthy = Sain
health-Progressing = En cours
health-Degraded = Dégradé
health-Missing = Absent
health-Unknown = Inconnu
suspended = Suspendu

overview-title = Services
overview-all-well = { $n ->
    [one] { $n } service, synchronisé
   *[other] { $n } services, tous synchronisés
}
overview-counts = { $n ->
    [one] { $n } service
   *[other] { $n } services
}
count-synced = { $n ->
    [one] { $n } synchronisé
   *[other] { $n } synchronisés
}
count-attention = { $n } à traiter
count-drifted = { $n } en dérive
count-moving = { $n } en cours
count-unknown = { $n ->
    [one] { $n } inconnu
   *[other] { $n } inconnus
}
count-suspended = { $n ->
    [one] { $n } suspendu
   *[other] { $n } suspendus
}
overview-needs-you = À traiter
overview-all = Tous les services
overview-search = Chercher un nom, un domaine, une image
overview-none-found = Aucun service ne correspond.
overview-first-look = Premier passage en cours : Docker, NPM et OVH sont interrogés.
overview-plan-only = Rien n'a encore été appliqué avec ce registre. Amarre planifie et ne change rien sans accord.
filter-all = Tous
filter-attention = À traiter
filter-drifted = En dérive
filter-suspended = Suspendus
col-service = Service
col-domain = Domaine
col-sync = Synchro
col-health = Santé
col-what-now = Et maintenant
col-since = Depuis
svc-explain = Pourquoi c’est là
empty-new = Dites ce que c’est ; son manifeste est écrit pour vous.
empty-template = Nextcloud, Gitea, Immich et d’autres, prêts à l’emploi.
empty-unmanaged = Ce qui est déjà ici sans manifeste : { $n }.
empty-services = Aucun service pour l'instant
empty-source = Les manifestes sont lus depuis { $source }.

act-new-service = Nouveau service
act-reconcile-now = Réconcilier
act-reconcile = Réconcilier
act-apply = Appliquer ce plan
act-heal = Rétablir
act-suspend = Suspendre
act-resume = Reprendre
act-restart = Redémarrer…
act-roll-back = Revenir en arrière
act-roll-back-to-this = Revenir à cette version
act-try-again = Réessayer
act-cancel = Annuler
act-delete = Supprimer…
act-delete-now = Supprimer
act-edit = Modifier
act-check = Vérifier
act-write = Enregistrer et appliquer
act-commit = Enregistrer et appliquer
act-see-logs = Voir le journal
act-sign-in = Se connecter
act-sign-out = Se déconnecter
act-more = Plus
act-back = Retour
act-copy = Copier
copied = Copié

tab-now = État
tab-history = Historique
tab-logs = Journal
tab-manifest = Manifeste
svc-picture = Du nom aux données
svc-drift = { $n ->
    [one] Dérive : { $n } champ
   *[other] Dérive : { $n } champs
}
svc-last-applied = Dernier état appliqué
svc-now = Maintenant
svc-field = Champ
svc-missing = N'existe plus
svc-plan = En cours ou en attente
svc-events = Événements
svc-no-events = Rien pour l'instant.
svc-facts = Faits
svc-host = Serveur
svc-file = Manifeste
svc-network = Réseau { $name }
svc-dns = DNS
svc-proxy = Proxy et certificat
svc-containers = Conteneurs
svc-volumes = Volumes
svc-none = aucun
svc-suspended-by = suspendu par { $who } : { $why }
svc-suspended-by-whom = suspendu par { $who }
svc-unknown = Aucun service { $name } ici.
svc-near = Peut-être { $name } ?
svc-why = Pourquoi ?
svc-no-manifest = Son manifeste n'existe plus.
history-none = Aucune version n'a encore été saine dans tous ses conteneurs.
history-revision = Révision
history-since = Saine depuis
history-images = Images
history-current = actuelle

plan-nothing = Rien à faire
plan-create = { $n } à créer
plan-update = { $n } à modifier
plan-delete = { $n } à supprimer
plan-refused = { $n } refusés
plan-title = Plan
plan-why-stop-first = l’ancien s’arrête d’abord : { $why }
plan-kept = conservés : { $what }
plan-sensitive = (sensible, modifié)

new-title = Nouveau service
edit-title = Modifier { $name }
new-what = Quoi
new-image = Image
new-name = Nom
new-port = Port
new-port-hint = là où il écoute dans son conteneur ; vide : pas de page
new-address = Adresse
image-here = déjà ici, { $size }
image-exists = existe pour { $platform }, à télécharger
image-elsewhere = existe pour { $platforms }, mais ce moteur exécute { $platform }
check-unasked = n’a pas pu être vérifié : { $why }
check-hidden = Sans réponse : { $names } ; vérifié à nouveau avant toute création
port-exposes = l’image expose { $ports }
port-suggest = l’image expose { $port } ; vide : pas de page
address-free = { $name } est libre dans { $names }
tls-left = { $n ->
    [one] { $n } certificat restant cette semaine
   *[other] { $n } certificats restants cette semaine
}
new-access = Qui peut le voir
new-access-all = tout le monde
new-tls = TLS
new-tls-letsencrypt = Let's Encrypt
new-tls-none = aucun
new-environment = Environnement
new-environment-hint = NOM=valeur, une par ligne
new-volumes = Volumes
new-volumes-hint = nom:/chemin, un par ligne
new-manifest = sera enregistré dans { $where }
new-written = sera écrit dans { $where }
new-message = Message
new-author = auteur : { $name }
new-to-settle = { $n ->
    [one] { $n } point à régler
   *[other] { $n } points à régler
}
new-settled = rien à régler
new-free = libre
new-reuse = Un service de ce nom a été supprimé
new-reuse-yes = c'est le même : il reçoit ce que celui-ci a laissé
new-reuse-no = c'en est un autre : il lui faut un autre nom
new-example = p. ex. { $text }
template-address = sous le domaine, ou nom complet ; vide : { $name }
source-unwritable = Rien ne peut être enregistré ici : { $why }. Le formulaire reste utilisable pour vérifier et copier le manifeste.
new-taken = un service porte déjà ce nom
new-only-editors = Seul un rôle editor écrit des manifestes ; le résultat du formulaire reste visible.
new-committed = { $file } est enregistré.

delete-title = Supprimer { $name }
delete-removes = Retire { $file } de { $where } au nom de { $who }. Puis disparaissent :
delete-type = Saisir le nom pour supprimer
delete-wrong-name = Ce n'est pas son nom.
delete-several = { $file } contient plus que ce service : en retirer son document à la source.
deleted = { $name } est supprimé. Ses volumes sont conservés.

restart-title = Redémarrer { $name }
restart-now = Redémarrer
rollback-title = Revenir en arrière : { $name }
rollback-now = Revenir en arrière

login-title = Se connecter
login-email = E-mail
login-password = Mot de passe
login-wrong = { $n ->
    [0] E-mail ou mot de passe incorrect. Plus aucun essai
    [one] E-mail ou mot de passe incorrect. Encore { $n } essai
   *[other] E-mail ou mot de passe incorrect. Encore { $n } essais
}
login-locked = Trop de mots de passe incorrects. Réessayer dans { $time }.
setup-title = Le premier compte
setup-text = Il peut tout faire, et ajoute les autres.
setup-name = Nom, comme dans les commits
setup-password-hint = 12 caractères au moins
setup-make = Créer
setup-gone = Ce lien n'est plus valable : un compte existe, ou Amarre a redémarré et en a affiché un autre.

accounts-email = E-mail
accounts-name = Nom
accounts-role = Rôle
accounts-when = Quand
accounts-who = Qui
accounts-action = Quoi
accounts-target = Avec
accounts-result = Résultat

network-title = Réseau
network-counts = { $pool } en /{ $prefix } : { $leased } loués, { $foreign } hors gestion, { $free } libres
network-next = prochain : { $subnet }
network-full = La plage est pleine : en ajouter une à network.pools.
network-subnet = Sous-réseau
network-who = Qui
network-addresses = Adresses
network-not-ours = hors gestion
network-free = libre
network-picture = La plage en image ; le tableau dit la même chose
runs-title = Passages
timeline-title = Les dernières 24 heures
timeline-changed = { $time }, modifications : { $changed }
timeline-failed = { $time }, échecs : { $failed }, modifications : { $changed }
runs-run = Passage
runs-began = Début
runs-took = Durée
runs-result = Résultat
runs-changes = Changements
runs-quiet = { $n ->
    [one] et { $n } passage sans changement
   *[other] et { $n } passages sans changement
}
runs-none = Aucun passage pour l'instant.
runs-going-on = en cours
run-title = Passage { $id }
certificates-title = Certificats
certificates-none = NPM n'a aucun certificat.
certificates-name = Certificat
certificates-names = Noms
certificates-left = Durée restante
certificates-used = Utilisé par
certificates-npm = NPM
certificates-nobody = personne
certificates-budget = Let's Encrypt cette semaine : encore { $left } sur { $of } pour { $domain }

problem-denied = Rôle actuel : { $role } ; il faut { $needed }.
problem-too-much = Trop de requêtes. Réessayer dans { $time }.
problem-csrf = Ce formulaire est périmé. Rien n'a été fait : réessayer.
problem-page = Cette page n'a pas pu s'afficher. Les services ne sont pas touchés.
problem-not-here = Cette page n'existe pas.
problem-method = Cette page ne s’ouvre pas de cette façon. Rien n’a été fait.
problem-form = Cette requête est illisible. Rien n’a été fait.
problem-stopping = Amarre s’arrête. Réessayer dans un instant.
error-unknown = Le code d’erreur { $code } n’existe pas.
errors-title = Codes d’erreur
errors-all = Tous les codes
live-paused = Mises à jour suspendues. Recharger

## La page de l'interface pour machines
api-title = Interface pour machines
api-about = Pour qui écrit un programme. Chaque route avec ce qu'elle prend et donne ; pour les outils :
api-who = Qui peut demander : { $who }
api-parameter = Paramètre
api-place = Où
api-kind = Forme
api-meaning = Sens
api-body = Corps
api-answer = Réponse

filter-no-tls = Sans TLS
filter-unmanaged = Hors gestion
footer-keys = Touches
footer-theme = Thème :
theme-light = clair
theme-dark = sombre
theme-auto = celui du système
act-save = Enregistrer
act-test-again = Tester à nouveau

## Réglages
settings-providers = Fournisseurs et hôtes
settings-hosts = Hôtes
settings-users = Utilisateurs
settings-tokens = Jetons
settings-notifications = Notifications
settings-audit = Actions
accounts-change = Modifier
provider-name = Fournisseur
provider-state = État
provider-version = Version
provider-host = Hôte
provider-address = Adresse publique
provider-data = Données sous
provider-up = répond
provider-down = ne répond pas
provider-auth = refuse l'accès
provider-looked = Tout a été observé à nouveau.
unmanaged-title = Hors gestion
unmanaged-about = Ce que Docker, NPM et OVH ont et qu'aucun manifeste ne nomme. Amarre n'y touche pas.
unmanaged-none = Rien ici qu'aucun manifeste ne nomme.
unmanaged-kind = Sorte
unmanaged-name = Nom
unmanaged-whose = À qui
unmanaged-instance = de l'instance { $name }
users-add = Ajouter un utilisateur
users-added = { $email } peut se connecter.
users-changed = { $email } a été modifié et doit se reconnecter.
users-remove = Retirer { $email }
tokens-add = Créer un jeton
tokens-made = Voici le jeton { $name }. Il n'est montré qu'une fois.
tokens-none = Aucun jeton pour l'instant. Les programmes en présentent un : Authorization: Bearer …
tokens-name = Nom
tokens-services = Seulement pour ces services
tokens-services-hint = noms séparés par des virgules ; vide : tous
tokens-of = À qui
tokens-ends = Fin
tokens-used = Dernier usage
tokens-never = jamais
tokens-remove = Retirer
tokens-removed = Le jeton { $name } n'ouvre plus rien.
notifications-none = Personne n'est prévenu : voir notifications dans amarre.yaml.
notifications-name = Canal
notifications-on = Prévenu de
notifications-sent = Dernier envoi pris
notifications-test = Envoyer un test
notifications-taken = { $name } l'a pris ; est-il arrivé ?
notifications-not-taken = { $name } ne l'a pas pris : { $why }

## Touches
keys-title = Touches
keys-about = Rien qui supprime, suspende ou revienne en arrière n'a de touche.
keys-on = Activer les touches
keys-off = Désactiver les touches
keys-search = chercher
keys-services = services
keys-runs = passages
keys-network = réseau
keys-certificates = certificats
keys-new = nouveau service
keys-rows = ligne suivante, précédente
keys-tabs = onglets d'un service
keys-reconcile = réconcilier
keys-edit = modifier
keys-list = cette liste
keys-leave = quitter le champ

## À partir d'un modèle
templates-title = Nouveau service à partir d'un modèle
templates-about = Des services connus, prêts à servir. D'autres modèles se placent dans le dossier templates à côté d'amarre.yaml.
templates-from = À partir d'un modèle
templates-from-image = À partir d'une image
templates-others = Autres modèles
templates-name = Modèle
templates-what = Ce que c'est
templates-unknown = Il n'y a pas de modèle { $name }.
templates-secrets = Secrets créés avec lui, et montrés nulle part : { $names }
tokens-days = { $n } jours
kind-network = réseau
kind-attachment = rattachement
kind-volume = volume
kind-image = image
kind-container = conteneur
kind-zone = zone
kind-record = enregistrement
kind-certificate = certificat
kind-access-list = liste d’accès
kind-proxy-host = hôte proxy
kind-redirection = redirection
kind-404-host = hôte 404
kind-stream = flux
kind-instance = instance
kind-job = tâche
kind-pull = image
kind-healthy = santé
kind-drain = retrait
kind-needs = dépend de
kind-clean-up = nettoyage

## The picture of a service
pic-yet = pas encore là
pic-next = vient ensuite
pic-after = vient après { $thing }
pic-at = reprend à { $time }
pic-new = nouveau
pic-old = ancien, sert jusqu’à ce que le nouveau soit prêt
pic-draining = en fin de service
pic-drains = retiré à { $time }
pic-breaks = Le chemin est coupé entre { $from } et { $to } : { $why }
pic-elsewhere = dans NPM, il mène à { $where }
pic-off = il est désactivé dans NPM

## A deleted service
deleted-state = Supprimé, données conservées
deleted-about = Son manifeste a été supprimé. Un manifeste du même nom avec reuse: true récupère ces données.
deleted-title = Supprimés, données conservées
deleted-left = Données conservées
deleted-keeps = conservé : { $what }
act-purge = Supprimer ses données…
act-purge-now = Supprimer ses données
purge-title = Supprimer les données de { $name }
purge-removes = Cette suppression est définitive. Amarre n’en garde aucune copie.
purge-type = Saisir le nom du service pour supprimer ses données
purge-only-admins = Le rôle admin est requis pour supprimer des données.
purge-none = { $name } n’est pas un service supprimé dont il reste des données : supprimer d’abord son manifeste.
purged = Les données de { $name } sont en cours de suppression.
event-created = création
event-updated = mise à jour
event-deleted = suppression
event-failed = échec
event-degraded = dégradation
event-adopted = adoption
event-released = libération
event-resumed = reprise
event-rolled-back = retour à la version précédente
event-rescued = secours
event-source = source
event-performed = action
event-not-performed = action non effectuée
event-unknown = résultat inconnu
