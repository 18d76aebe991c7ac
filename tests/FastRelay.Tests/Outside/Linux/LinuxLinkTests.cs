namespace FastRelay.Tests.Outside;

/// <summary>The rules of links on epoll.</summary>
public sealed class LinuxLinkTests : LinkRules
{
    protected override LinkRig NewRig() => new LinuxLinkRig();
}
