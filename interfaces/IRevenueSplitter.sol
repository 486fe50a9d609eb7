// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IComputeLease} from "interfaces/IComputeLease.sol";

/// @title The revenue of one capacity, split (ERC-20 shares)
/// @notice Rent that the capacity earns goes first to fixed legs, the rest to the shares. It counts
/// for whoever holds shares at the moment the lease engine settles it, released or not. So does, in
/// up to three more tokens, whatever arrives by plain transfer and is found by `sync`. A holder's
/// dividend is exact whatever moves in between, and before shares move all that has come in is
/// counted; nobody is ever pushed a payment.
/// @dev The supply is fixed at creation, so a holder's dividend needs no rounding until it is paid:
/// with I the base units of a token ever due to all shares together (`dividendIndex`), a holder of
/// b shares that came at I₀ is due b · (I − I₀) / supply. Shares carry 18 decimals; a transfer to
/// nobody, or to the splitter itself, is refused. Permit (EIP-2612) is version 1 under the share's
/// own name.
///
/// Every payment names where it goes, so that whoever a token's issuer has frozen can be paid
/// elsewhere; each token can be claimed alone, so that one that does not move holds up no other.
interface IRevenueSplitter {
    /// @notice A fixed part of the revenue, before the shares.
    /// @param recipient Who may claim it.
    /// @param bps Its part of all revenue, in bps.
    /// @param isFixed Whether it stays whatever holders of all shares do: the protocol's does, and
    /// those of others who rely on it, like stakers, must.
    struct Leg {
        address recipient;
        uint16 bps;
        bool isFixed;
    }

    /// @param token The dividend token.
    /// @param amount Base units found that had come by plain transfer.
    event Synced(address indexed token, uint256 amount);
    /// @param holder Whose dividends in the settlement stablecoin were paid.
    /// @param receiver Who got them.
    /// @param amount Base units.
    event DividendClaimed(address indexed holder, address receiver, uint256 amount);
    /// @param token A dividend token besides the stablecoin.
    /// @param holder Whose dividends in it were paid.
    /// @param receiver Who got them.
    /// @param amount Base units.
    event TokenDividendClaimed(
        address indexed token,
        address indexed holder,
        address receiver,
        uint256 amount
    );
    /// @param leg Index of the leg that was paid in the settlement stablecoin.
    /// @param receiver Who got it.
    /// @param amount Base units.
    event LegClaimed(uint256 indexed leg, address indexed receiver, uint256 amount);
    /// @param token A dividend token besides the stablecoin.
    /// @param leg Index of the leg that was paid in it.
    /// @param receiver Who got it.
    /// @param amount Base units.
    event TokenLegClaimed(
        address indexed token,
        uint256 indexed leg,
        address receiver,
        uint256 amount
    );
    /// @param leg Index of the leg.
    /// @param from Its recipient until now.
    /// @param to Its recipient from now on; what it is owed goes with it.
    event LegMoved(uint256 indexed leg, address indexed from, address indexed to);
    /// @param ended Indices of the legs that earn no more; what they are owed stays theirs.
    /// @param first Index of the first new leg; the others follow.
    /// @param added The new legs.
    /// @param sharesBps What is left to the shares from now on, in bps.
    event LegsChanged(uint256[] ended, uint256 first, Leg[] added, uint256 sharesBps);
    /// @param token The dividend token.
    /// @param position Its place among the dividend tokens, from 1; the stablecoin is at 0.
    event TokenAdded(address indexed token, uint256 position);

    /// @dev Only the splitter's factory initializes, once.
    error NotFactory(address caller);
    /// @dev `caller` is not the recipient of `leg`.
    error NotLegRecipient(uint256 leg, address caller);
    /// @dev No leg of this index.
    error UnknownLeg(uint256 leg, uint256 count);
    /// @dev More legs than `max`, besides the protocol's.
    error TooManyLegs(uint256 count, uint256 max);
    /// @dev A leg of 0 bps.
    error EmptyLeg(uint256 leg);
    /// @dev The legs besides the protocol's take `bps` together, more than `max`.
    error LegsTakeTooMuch(uint256 bps, uint256 max);
    /// @dev `caller` holds `shares` of all `supply`.
    error NotSoleHolder(address caller, uint256 shares, uint256 supply);
    /// @dev `caller` holds all shares only since the second `since`, which is now.
    error SoleHolderTooNew(address caller, uint256 since);
    /// @dev No dividend token of this splitter.
    error UnknownToken(address token);
    /// @dev The factory's owner has not allowed this token.
    error TokenNotAllowed(address token);
    /// @dev It is one already.
    error TokenKnown(address token);
    /// @dev More tokens than `max`, besides the stablecoin.
    error TooManyTokens(uint256 max);
    /// @dev An address that must be set is zero, or the splitter itself.
    error BadReceiver(address receiver);

    /// @notice Writes the legs and gives all shares to `holder`. Factory only, which calls it once.
    /// @param own Up to 7 legs, together at most 8,000 bps, each at least 1.
    /// @param protocol The protocol's leg, the last one; none if it takes 0 bps. At most 1,000 bps,
    /// for which the factory answers.
    function initialize(address holder, Leg[] calldata own, Leg calldata protocol) external;

    // ------------------------------------------------------------------ claiming

    /// @notice Pays the caller's dividends in all tokens to `to`, pulling what the lease engine
    /// owes if needed.
    /// @dev Should one token not move, claim the others by `claimToken`.
    /// @return amount Base units of the settlement stablecoin, rounded down; what is cut off stays
    /// due to the holder. 0 if there is nothing.
    function claim(address to) external returns (uint256 amount);

    /// @notice Pays `holder`'s dividends in all tokens to `holder`. Anyone.
    /// @dev A contract that holds shares for others can thus be paid at any time: it must go by
    /// `dividendIndex`, not by what its own calls to `claim` return.
    /// @return amount As in `claim`.
    function claimFor(address holder) external returns (uint256 amount);

    /// @notice Pays the caller's dividends in one token to `to`.
    /// @return amount Base units of the token, rounded down; 0 if there is nothing.
    function claimToken(address token, address to) external returns (uint256 amount);

    /// @notice Pays `holder`'s dividends in one token to `holder`. Anyone.
    /// @return amount As in `claimToken`.
    function claimTokenFor(address token, address holder) external returns (uint256 amount);

    /// @notice Pays what leg `leg` is owed in all tokens to `to`, rounded down. Its recipient only.
    /// @return amount Base units of the settlement stablecoin.
    function claimLeg(uint256 leg, address to) external returns (uint256 amount);

    /// @notice Pays what leg `leg` is owed in one token to `to`. Its recipient only.
    /// @return amount Base units of the token.
    function claimLegToken(
        address token,
        uint256 leg,
        address to
    ) external returns (uint256 amount);

    // ------------------------------------------------------------------ taking in

    /// @notice Finds what of a dividend token came by plain transfer and counts it as revenue, for
    /// the legs and for those who hold shares now. Anyone; every transfer of shares does it first.
    /// @dev In all, 2^110 − 1 base units of a token can be found.
    /// @return amount Base units found.
    function sync(address token) external returns (uint256 amount);

    // ------------------------------------------------------------------ setting up

    /// @notice Hands leg `leg`, with all it is owed, to another recipient. Its recipient only.
    function moveLeg(uint256 leg, address to) external;

    /// @notice Ends all legs that are not fixed and puts others in their place. Only a holder of
    /// all shares, since nobody else's income changes.
    /// @dev All that has come in is counted first. What a leg was owed stays owed to it, under its index; an index is never used again.
    /// The same bounds as at creation: at most 7 besides the protocol's, at most 8,000 bps together.
    function changeLegs(Leg[] calldata added) external;

    /// @notice Makes a token that the factory's owner has allowed a dividend token, for good. Only
    /// a holder of all shares: every token makes every transfer of shares dearer.
    function addToken(address token) external;

    // ------------------------------------------------------------------ what is due

    /// @notice What `claim` would pay `holder` in the settlement stablecoin now, in base units.
    function claimable(address holder) external view returns (uint256);

    /// @notice What `claim` and `claimToken` would pay `holder` in a token now, in base units.
    function claimableOf(address token, address holder) external view returns (uint256);

    /// @notice What `claimLeg` would pay in the settlement stablecoin now.
    function legClaimable(uint256 leg) external view returns (uint256);

    /// @notice What `claimLeg` and `claimLegToken` would pay in a token now.
    function claimableByLeg(address token, uint256 leg) external view returns (uint256);

    /// @notice Base units of the stablecoin ever due to all shares together, released by the engine
    /// or not: all revenue less the legs' part, which is rounded up here. Never falls.
    function dividendIndex() external view returns (uint256);

    /// @notice The same of any dividend token.
    function dividendIndexOf(address token) external view returns (uint256);

    /// @notice Revenue in the stablecoin ever counted, and how much of it has been paid out.
    function totals() external view returns (uint256 received, uint256 paid);

    /// @notice The same of any dividend token.
    function totalsOf(address token) external view returns (uint256 received, uint256 paid);

    // ------------------------------------------------------------------ what it is

    /// @notice A leg; one that has ended has 0 bps. Reverts with `UnknownLeg`.
    function legOf(uint256 leg) external view returns (Leg memory);

    /// @notice How many legs there ever were, and what those that still earn take together, in bps.
    function legs() external view returns (uint256 count, uint256 bps);

    /// @notice All dividend tokens, the settlement stablecoin first.
    function tokens() external view returns (address[] memory);

    /// @notice How many they are.
    function tokenCount() external view returns (uint256);

    /// @notice The capacity whose revenue this splits.
    function CAPACITY_ID() external view returns (uint256);

    /// @notice The settlement stablecoin.
    function STABLECOIN() external view returns (address);

    /// @notice The lease engine that owes the rent.
    function LEASE() external view returns (IComputeLease);

    /// @notice Who made this splitter.
    function FACTORY() external view returns (address);
}
