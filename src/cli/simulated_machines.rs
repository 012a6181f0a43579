//! Simulated machines of pools in the place of `ssh`, for the demo and for tests.

use amarre_sim::machines::{Machines, NoAnswer};
use async_trait::async_trait;

use crate::providers::machines::{HostKeyPair, MachineAccess};
use crate::providers::ssh::{AskMachines, ConnectionError};
use amarre_core::model::pool::Machine;

/// The key by which they let Amarre in: they take every one.
const OWN_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIsimulated00000000000000000000000000000000 amarre";

/// Machines by `address:port`.
pub struct SimulatedMachines(pub Machines);

impl SimulatedMachines {
    fn place(machine: &Machine) -> String {
        format!("{}:{}", machine.address, machine.port)
    }
}

#[async_trait]
impl AskMachines for SimulatedMachines {
    async fn ask(&self, access: &MachineAccess, instance: &str, lines: &str) -> Result<String, ConnectionError> {
        let password = access.password.as_ref().map(|password| password.expose());
        let lines = format!("as {instance}\n{lines}");
        let said = self.0.ask(&Self::place(&access.machine), (access.host_key.as_deref(), password), &lines).await;
        said.map_err(|why| match why {
            NoAnswer::Away => ConnectionError::Away("it does not answer".to_owned()),
            NoAnswer::Refused => ConnectionError::Refused("Permission denied".to_owned()),
            NoAnswer::OtherKey => ConnectionError::OtherKey,
        })
    }

    async fn public_key(&self, _: bool) -> Result<Option<String>, String> {
        Ok(Some(OWN_KEY.to_owned()))
    }

    async fn host_key(&self, _: &str, _: bool) -> Result<Option<HostKeyPair>, String> {
        Err("simulated machines are not made".to_owned())
    }

    async fn offered_keys(&self, machine: &Machine) -> Result<Vec<String>, String> {
        let key = self.0.host_key(&Self::place(machine)).ok_or_else(|| "it does not answer".to_owned())?;
        Ok(vec![key])
    }
}
