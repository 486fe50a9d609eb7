// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {IComputeLease} from "interfaces/IComputeLease.sol";
import {IRevenueSplitter} from "interfaces/IRevenueSplitter.sol";

/// @title Makes revenue splitters
/// @notice One splitter per capacity, and only for one that already names it as its payee: whoever
/// knows that an address is a splitter of this factory knows that capacity and splitter name each
/// other.
/// @dev A splitter's address depends on who makes it, its capacity, stablecoin and supply, and on
/// nothing that the owner can change: a payee once named can always be made, and by its maker
/// alone.
interface IRevenueSplitterFactory {
    /// @notice What to make.
    /// @param capacity The capacity; its payee must be the address that `predict` says.
    /// @param supply Shares, 1 … 10^27, all minted at once and never again.
    /// @param holder First holder of all shares.
    /// @param legs Up to 7 parts before the shares, together at most 8,000 bps, each at least 1.
    /// @param maxProtocolBps The most that the caller lets the protocol take, in bps.
    struct SplitterConfig {
        uint256 capacity;
        uint256 supply;
        address holder;
        IRevenueSplitter.Leg[] legs;
        uint256 maxProtocolBps;
    }

    /// @param splitter The new splitter.
    /// @param capacity The capacity whose revenue it splits.
    /// @param holder First holder of all shares.
    /// @param creator Who made it: part of what its address depends on.
    /// @param stablecoin What the capacity settles in.
    /// @param supply Shares, in their smallest part.
    /// @param legs All legs by index; the protocol's, if there is one, is the last.
    event SplitterCreated(
        address indexed splitter,
        uint256 indexed capacity,
        address indexed holder,
        address creator,
        address stablecoin,
        uint256 supply,
        IRevenueSplitter.Leg[] legs
    );
    /// @param bps The protocol's part of the revenue of splitters made from now on.
    /// @param recipient Who may claim it.
    event ProtocolLegSet(uint256 bps, address recipient);
    /// @param token The token.
    /// @param allowed Whether splitters may make it a dividend token from now on.
    event DividendTokenSet(address indexed token, bool allowed);

    /// @dev An address that must be set is zero; a token that must be a contract is none.
    error BadAddress(bytes32 field, address value);
    /// @dev The supply must be 1 … `max`.
    error SupplyOutOfRange(uint256 supply, uint256 max);
    /// @dev The protocol takes `bps`, more than `max`.
    error ProtocolTakesTooMuch(uint256 bps, uint256 max);
    /// @dev The capacity's revenue goes to `payee`, not to the splitter that would be made.
    error NotPayee(uint256 capacity, address splitter, address payee);
    /// @dev It is there already.
    error AlreadyCreated(address splitter);

    /// @notice Makes the splitter of a capacity that already names it as its payee. Whoever is to
    /// make it is part of its address, so nobody else can. Prefer the registrar, which does both.
    /// @return splitter Its address, as predicted.
    function create(SplitterConfig calldata config) external returns (address splitter);

    /// @notice Sets the protocol's part of the revenue of new splitters: at most 1,000 bps. Owner
    /// only.
    function setProtocolLeg(uint256 bps, address recipient) external;

    /// @notice Lets splitters pay dividends in a token besides their stablecoin, or lets no more of
    /// them begin. Owner only. Those that have admitted it keep it.
    /// @dev It must move exactly what it says and never change a balance by itself: no fees on
    /// transfer, no rebasing.
    function setDividendToken(address token, bool allowed) external;

    /// @notice Where `create`, called by `creator`, would put a splitter.
    function predict(
        address creator,
        uint256 capacity,
        address stablecoin,
        uint256 supply
    ) external view returns (address splitter);

    /// @notice Whether `account` is a splitter that this factory made. Its capacity then names it
    /// as its payee, for good.
    function isSplitter(address account) external view returns (bool);

    /// @notice Whether a splitter may make `token` a dividend token now.
    function isDividendToken(address token) external view returns (bool);

    /// @notice The protocol's part of the revenue of splitters made now.
    function protocolLeg() external view returns (IRevenueSplitter.Leg memory);

    /// @notice The deeds that name splitters as payees.
    function CAPACITY() external view returns (IComputeCapacity);

    /// @notice The lease engine that owes splitters their rent.
    function LEASE() external view returns (IComputeLease);
}
