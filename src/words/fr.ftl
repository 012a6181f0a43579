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
keys-instances = instances
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
kind-instance = instance
kind-server = serveur
kind-container = conteneur
kind-zone = zone
kind-record = enregistrement
kind-certificate = certificat
kind-access-list = liste d’accès
kind-proxy-host = hôte proxy
kind-redirection = redirection
kind-404-host = hôte 404
kind-stream = flux
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
event-request = requête
event-status = état
event-asked = demandé
event-unknown = résultat inconnu

when-tomorrow = demain { $time }
when-yesterday = hier { $time }
nav-instances = Instances
inst-title = Instances
inst-all = Toutes les instances
inst-table = Tableau des instances
inst-one-cloud = { $n } cloud : { $names }
inst-several-clouds = { $n } clouds : { $names }
inst-search = Nom, adresse, type
inst-filter = Filtrer
inst-any = tous
inst-any-of-them = toutes
inst-filter-all = Toutes
inst-sort = Trier par
inst-cloud = Cloud
inst-project = Projet
inst-region = Région
inst-managed = Gérées
inst-name = Instance
inst-power = Alimentation
inst-type = Type
inst-today = Aujourd’hui
inst-address = Adresse
inst-actions = Actions
inst-pick = Sélection
inst-pick-all = Sélectionner toute la page
inst-pick-one = Sélectionner { $name }
inst-none-found = Aucune instance ne correspond.
inst-none = Il n’y a pas d’instance { $name }.
inst-page = { $from }–{ $to } sur { $of }
inst-pages = Pages
inst-before = Précédent
inst-after = Suivant
inst-tile-on = Démarrées
inst-tile-managed = Gérées
inst-tile-monthly = Payées au mois
inst-tile-saved = Économisé ce mois-ci
inst-of = sur { $n }
inst-changing = { $n } en cours de changement
inst-in-error = { $n } en erreur
inst-not-seen = { $n ->
    [one] { $n } non observée
   *[other] { $n } non observées
  }
inst-needs-nothing = Rien
inst-scheduled = { $n } par planning
inst-monthly-about = mise en réserve impossible
inst-tag-unmanaged = non gérée
inst-tag-power = alimentation seule
inst-tag-left = alimentation non gérée
power-on = démarrée
power-off = arrêtée
power-shelved = mise en réserve
power-changing = en cours
power-error = erreur
power-unknown = non observée
power-missing = absente
power-starting = démarrage
power-stopping = arrêt en cours
power-rebooting = redémarrage
power-shelving = mise en réserve en cours
power-unshelving = sortie de réserve
power-deleting = suppression en cours
inst-start = Démarrer
inst-stop = Arrêter
inst-stop-cuts = Arrêter (coupe l’alimentation)
inst-reboot = Redémarrer
inst-reboot-hard = Redémarrer à froid : couper le courant
inst-shelve = Mettre en réserve
inst-unshelve = Sortir de réserve
inst-delete = Supprimer…
inst-delete-about = Le serveur est supprimé définitivement chez son fournisseur, avec ses propres disques. Les volumes, instantanés et adresses commandés à part restent, et restent facturés.
inst-delete-admins = Le rôle admin est requis pour supprimer un serveur.
inst-delete-begun = { $name } est en cours de suppression.
inst-delete-now = Supprimer définitivement
inst-delete-title = Supprimer { $name }
inst-delete-type = Saisir son nom chez le fournisseur
inst-follow = Suivre le planning maintenant
inst-follow-power = Suivre le manifeste maintenant
inst-start-more = Démarrer…
inst-stop-more = Arrêter…
inst-reboot-more = Redémarrer…
inst-bulk = Sélection
inst-bulk-about = une confirmation, un résultat pour chacune
inst-bulk-holds = Pour celles qui ont un planning, cela tient jusqu’à sa prochaine échéance.
inst-confirm = { $what } : { $n } des instances sélectionnées
inst-do-now = { $what } : { $n }
inst-takes = Retenues
inst-takes-none = Il ne reste rien à faire.
inst-skipped = Ignorées
inst-is-there = C’est déjà le cas.
inst-none-picked = Aucune instance n’était sélectionnée.
inst-results = { $n ->
    [one] { $n } résultat
   *[other] { $n } résultats
  }
inst-last-seen = vue pour la dernière fois : { $time } ; { $why }
inst-held-until = { $what }, jusqu’à { $time }
inst-new-schedule = nouveau planning, première action : { $time }
inst-always-on = toujours démarrée
inst-always-off = toujours arrêtée
inst-always-shelved = toujours en réserve
inst-on-at = démarrage : { $time }
inst-off-at = arrêt : { $time }
inst-shelved-at = mise en réserve : { $time }
inst-started-by = démarrage par { $who }, { $time }
inst-stopped-by = arrêt par { $who }, { $time }
inst-shelved-by = mise en réserve par { $who }, { $time }
inst-started-outside = démarrage hors d’Amarre, constaté : { $time }
inst-stopped-outside = arrêt hors d’Amarre ou panne, constaté : { $time }
inst-shelved-outside = mise en réserve hors d’Amarre, constatée : { $time }
inst-today-on = aujourd’hui démarrée { $hours }
inst-today-off = arrêtée toute la journée
inst-no-manifest = aucun manifeste
inst-gap = Non observée depuis { $time } : { $why }
inst-error-about = Son fournisseur indique { $status }. Démarrage, arrêt et mise en réserve peuvent être refusés tant que ce n’est pas résolu chez lui.
inst-missing-about = Son manifeste désigne une instance qui n’existe plus.
inst-override-until = Actuellement : { $what }. Le planning reprend : { $time }.
inst-override-open = Actuellement : { $what }. Cela dure jusqu’à ce que la règle de son manifeste soit de nouveau suivie.
inst-new-schedule-about = Le planning est nouveau. Rien n’est démarré ni arrêté avant l’échéance suivante : { $time }.
inst-billed-stopped = Chez OVH, une instance arrêtée est facturée comme une instance démarrée. La mise en réserve garde le disque en instantané et arrête la facturation.
inst-shelve-at-night = Mettre en réserve la nuit
inst-hold = Pour combien de temps
inst-hold-tick = jusqu’à l’échéance de { $time }
inst-hold-followed = jusqu’au retour à sa règle
inst-hold-skip = jusqu’à celle d’après, { $time }
inst-hold-1h = pour 1 heure
inst-hold-3h = pour 3 heures
inst-hold-time = jusqu’à une heure précise
inst-hold-clock = Heure
inst-skip = Sauter la prochaine échéance ({ $time })
inst-colon = { " :" }
inst-schedule = Planning
inst-paint = Glisser sur les heures, ou les activer une par une. Sur un écran tactile, appuyer longuement avant de glisser. L’instance est démarrée aux heures pleines.
inst-paint-viewer = L’instance est démarrée aux heures pleines.
inst-unpainted = Le planning contient des minutes, des jours du mois ou des mois, qu’une semaine ne peut pas montrer. Enregistrer une semaine le remplace.
inst-now = maintenant
inst-hours = { $n } h sur 168 h
inst-cron-on = démarrage
inst-cron-off = arrêt
inst-ticks = 10 prochaines échéances
inst-zone = Fuseau horaire
inst-off-as = À l’arrêt
inst-off-stop = arrêter
inst-off-shelve = mettre en réserve
inst-holidays = Jours fériés
inst-holidays-none = aucun
inst-holidays-fr = jours fériés français exclus
inst-save = Enregistrer dans { $file }
inst-save-about = Ce qui est écrit est montré avant.
inst-no-schedule = Retirer le planning
inst-schedule-of = Planning de { $name }
inst-acts-first = Première échéance : { $what }. D’ici là, rien n’est démarré ni arrêté.
inst-never-switched = Toutes les heures sont identiques, rien ne changerait jamais. `power: on` ou `power: off` dans le manifeste a le même effet.
inst-file = { $file }{" : "}
inst-by-hand = son planning ne peut pas être changé ici ; modifiez le manifeste
inst-history = Actions
inst-log = Journal
inst-no-history = Rien ne lui a encore été demandé.
inst-what = Quoi
inst-who = Qui
inst-when = Quand
inst-took = Durée
inst-did-not = { $what }, refusé : { $why }
inst-did-hard = { $what } à froid
inst-did-unknown = { $what } : sans réponse
inst-did-updated = changement : { $text }
inst-did-failed = changement échoué : { $text }
inst-did-drift = dérive constatée : { $text }
inst-did-other = { $kind } : { $text }
inst-facts = Informations
inst-billing = Facturation
inst-cost = Coût, hors taxe
inst-cost-hour = { $amount } { $currency } par heure
inst-cost-month = { $amount } { $currency } par mois
inst-saved = Économisé
inst-saved-month = { $amount } ce mois-ci
inst-saved-week = { $amount } ces 7 derniers jours
inst-saved-billed = Elle est facturée à l’arrêt. « Mettre en réserve la nuit » fait économiser.
inst-saved-billed-some = { $n ->
    [one] { $n } est facturée à l’arrêt : « Mettre en réserve la nuit » fait économiser
   *[other] { $n } sont facturées à l’arrêt : « Mettre en réserve la nuit » fait économiser
}
inst-saved-monthly = Elle est payée au mois.
inst-saved-snapshot = Le coût de son instantané n’est pas déduit.
inst-saved-no-price = Son prix n’est pas encore connu.
inst-missed-about = Une échéance a été manquée : { $what }.
inst-by-month = au mois
inst-by-hour = à l’heure
inst-vendor-name = Nom chez le fournisseur
inst-id = Identifiant
inst-status = Statut
inst-created = Création
inst-rule = Règle
inst-nokey = Aucun cloud connecté
inst-nokey-about = Vos serveurs chez OVH Public Cloud apparaissent ici dès qu’Amarre a une clé. Elle reste sur le serveur.
inst-key-get = Obtenir une clé
inst-key-get-about = Avec ces droits :
inst-key-get-least = Sans POST, tout est montré, et rien ne peut être démarré ni arrêté.
inst-key-put = La déposer sur le serveur
inst-key-put-about = En variables du démon, chacune aussi sous la forme …_FILE :
inst-key-put-other = Ou un client OAuth2 :
inst-key-run = Nommer le cloud
inst-key-run-about = Dans amarre.yaml ; puis redémarrer Amarre :
inst-key-run-init = Ou laisser une commande poser les questions, et l’écrire :
inst-key-run-doctor = Cette commande indique les droits manquants, projet par projet :
inst-key-kamatera = Ou une clé de Kamatera
inst-key-kamatera-about = À créer là, sous les clés d’API du compte. Elle donne tous les droits sur le compte ; aucune clé ne sert qu’à lire.
inst-simulated = Pas de clé sous la main ?
inst-simulated-about = Un cloud simulé contient une douzaine de serveurs dans plusieurs projets et régions, signalés sur chaque page. Rien n’est facturé.
inst-simulated-how = À écrire dans amarre.yaml, puis redémarrer Amarre :
inst-simulated-admin = Un administrateur l’active dans amarre.yaml.
inst-connect = Serveurs cloud
inst-connect-about = Lister, démarrer et arrêter des serveurs chez OVH Public Cloud, ou essayer avec un cloud simulé.
