namespace FastRelay.Deliver;

/// <summary>How far a connection of <see cref="SendMachine"/> has come.</summary>
internal enum SendPhase : byte
{
    Banner,
    Ehlo,
    Helo,
    StartTls,
    Handshake,
    Auth,
    Ready,
    Transaction,
    Quit,
    Closed,
}
